# browser.py — opens pages in Chromium and waits until they say what is expected — needs
# python3-websockets. Arguments: URL, JAVASCRIPT that gives a string, PATTERN that it has to match,
# and then three more for each further page. Pages stay open while the next ones are looked at, and
# an argument of JAVASCRIPT may do something first.
import asyncio, json, re, shutil, subprocess, sys, tempfile, urllib.parse, urllib.request
import websockets

DEADLINE_SECONDS = 30


def start(folder):
    browser = subprocess.Popen(
        ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
         "--disable-dev-shm-usage", "--remote-debugging-port=0", "--user-data-dir=" + folder],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    for line in browser.stderr:
        found = re.search(r"DevTools listening on ws://([^/]+)/", line)
        if found:
            return browser, found.group(1)
    sys.exit("chromium ended before it could be asked")


async def page(address, url):
    request = urllib.request.Request(f"http://{address}/json/new?{urllib.parse.quote(url)}", method="PUT")
    with urllib.request.urlopen(request) as answer:
        target = json.load(answer)
    socket = await websockets.connect(target["webSocketDebuggerUrl"], max_size=None)
    return socket


async def evaluate(socket, script):
    await socket.send(json.dumps({"id": 1, "method": "Runtime.evaluate",
                                  "params": {"expression": script, "awaitPromise": True}}))
    while True:
        answer = json.loads(await socket.recv())
        if answer.get("id") == 1:
            return str(answer["result"].get("result", {}).get("value"))


async def expect(socket, script, pattern):
    said = ""
    for _ in range(DEADLINE_SECONDS * 10):
        said = await evaluate(socket, script)
        if re.search(pattern, said):
            return print(said)
        await asyncio.sleep(0.1)
    sys.exit(f"{script} says {said!r}, which has no {pattern!r}")


async def look(address, arguments):
    pages = {}
    for url, script, pattern in zip(*[iter(arguments)] * 3):
        if url not in pages:
            pages[url] = await page(address, url)
        await expect(pages[url], script, pattern)


folder = tempfile.mkdtemp()
browser, address = start(folder)
try:
    asyncio.run(look(address, sys.argv[1:]))
finally:
    browser.kill()
    browser.wait()
    shutil.rmtree(folder, ignore_errors=True)
