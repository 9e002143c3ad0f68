// boot.js — lets the browser paint the frame of the page before it is brought to life.

const begin = () => import("./app.js");
if (document.hidden) begin();
else requestAnimationFrame(() => setTimeout(begin));
