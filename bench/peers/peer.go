// peers/peer.go — what the bench asks of servers, in Go: a goroutine each. Knows no moonport.
// peer MODE [BODY BYTES], of echo, lines, broadcast, udp, http and json.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
)

const bufferBytes = 64 * 1024

var (
	mutex   sync.Mutex
	conns   = map[net.Conn]bool{}
	buffers = sync.Pool{New: func() any { return new([bufferBytes]byte) }}
)

func say(scheme string, address net.Addr) {
	fmt.Fprintf(os.Stderr, "listening on %s://%s\n", scheme, address)
}

func echo(conn net.Conn) {
	buffer := buffers.Get().(*[bufferBytes]byte)
	defer buffers.Put(buffer)
	for {
		size, err := conn.Read(buffer[:])
		if err != nil {
			return
		}
		if _, err := conn.Write(buffer[:size]); err != nil {
			return
		}
	}
}

// Replies leave when no whole line is left in what was read.
func lines(conn net.Conn) {
	reader, writer := bufio.NewReaderSize(conn, bufferBytes), bufio.NewWriterSize(conn, bufferBytes)
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return
		}
		writer.WriteString(string(line[:len(line)-1]))
		writer.WriteByte('\n')
		if reader.Buffered() == 0 && writer.Flush() != nil {
			return
		}
	}
}

func broadcast(conn net.Conn) {
	buffer := make([]byte, bufferBytes)
	mutex.Lock()
	conns[conn] = true
	conn.Write([]byte("+"))
	mutex.Unlock()
	for {
		size, err := conn.Read(buffer)
		mutex.Lock()
		if err != nil {
			delete(conns, conn)
			mutex.Unlock()
			return
		}
		for other := range conns {
			other.Write(buffer[:size])
		}
		mutex.Unlock()
	}
}

func serve(handle func(net.Conn)) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	say("tcp", listener.Addr())
	for {
		conn, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			defer conn.Close()
			handle(conn)
		}()
	}
}

func serveDatagrams() {
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		log.Fatal(err)
	}
	say("udp", socket.LocalAddr())
	buffer := make([]byte, bufferBytes)
	for {
		size, peer, err := socket.ReadFromUDPAddrPort(buffer)
		if err == nil {
			socket.WriteToUDPAddrPort(buffer[:size], peer)
		}
	}
}

func serveHTTP(size string) {
	count, err := strconv.Atoi(size)
	if err != nil {
		log.Fatal(err)
	}
	body := []byte(strings.Repeat("x", count))
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	say("tcp", listener.Addr())
	log.Fatal(http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Write(body)
	})))
}

type thing struct {
	ID        int      `json:"id"`
	Name      string   `json:"name"`
	Price     float64  `json:"price"`
	Tags      []string `json:"tags"`
	Available bool     `json:"available"`
}

func things() []thing {
	list := make([]thing, 12)
	for at := range list {
		id := at + 1
		list[at] = thing{id, "thing number " + strconv.Itoa(id), float64(id) + 0.5,
			[]string{"a", "b"}, id%2 == 0}
	}
	return list
}

func serveJSON() {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	say("tcp", listener.Addr())
	log.Fatal(http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		body, _ := json.Marshal(things())
		w.Header().Set("Content-Type", "application/json")
		w.Write(body)
	})))
}

func main() {
	debug.SetGCPercent(400)
	switch os.Args[1] {
	case "udp":
		serveDatagrams()
	case "http":
		serveHTTP(os.Args[2])
	case "json":
		serveJSON()
	case "lines":
		serve(lines)
	case "broadcast":
		serve(broadcast)
	default:
		serve(echo)
	}
}
