// A topic server on uWebSockets.js, as its documentation writes one: `GET /sub?id=TOPIC` upgrades and subscribes, `POST /pub?id=TOPIC`
// publishes the body as a text message. No compression. Not a product: a peer for the benchmark.
//
//   node uws.mjs PORT
import { createRequire } from "node:module";

const PACKAGE = "@trufflesuite/uws-js-unofficial";
const { platform, arch, versions, argv } = process;
// By the compiled file itself: the package's entry point falls back to a slow stand-in of JavaScript, and goes on.
const uws = createRequire(import.meta.url)(`${PACKAGE}/binaries/uws_${platform}_${arch}_${versions.modules}.node`);

const app = uws.App();

app.ws("/sub", {
  compression: uws.DISABLED,
  maxPayloadLength: 64 * 1024,
  idleTimeout: 120,
  // Beyond this a subscriber that does not read loses messages, and uWebSockets.js says nothing; the default is 64 KiB.
  maxBackpressure: 1024 * 1024,
  upgrade(response, request, context) {
    response.upgrade(
      { topic: request.getQuery("id") },
      request.getHeader("sec-websocket-key"),
      request.getHeader("sec-websocket-protocol"),
      request.getHeader("sec-websocket-extensions"),
      context,
    );
  },
  open(socket) {
    socket.subscribe(socket.getUserData().topic);
  },
});

app.post("/pub", (response, request) => {
  const topic = request.getQuery("id");
  let body = Buffer.alloc(0);
  response.onAborted(() => {});
  response.onData((chunk, isLast) => {
    body = Buffer.concat([body, Buffer.from(chunk)]);
    if (isLast) {
      app.publish(topic, body, false, false);
      response.end("ok");
    }
  });
});

app.listen("127.0.0.1", Number(argv[2]), (socket) => {
  if (!socket) {
    console.error(`cannot listen on 127.0.0.1:${argv[2]}`);
    process.exit(1);
  }
});
