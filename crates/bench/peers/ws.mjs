// A topic server on ws, as its documentation writes a broadcast: `GET /sub?id=TOPIC` upgrades and subscribes, `POST /pub?id=TOPIC` publishes
// the body as a text message. No compression; ws sets TCP_NODELAY itself. Not a product: a peer for the benchmark.
//
//   node ws.mjs PORT
import { WebSocketServer } from "ws";
import { listen, topicOf } from "./http.mjs";

const topics = new Map();
const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: 64 * 1024 });

function join(socket, topic) {
  const members = topics.get(topic) ?? new Set();
  topics.set(topic, members.add(socket));
  socket.on("error", () => {});
  socket.on("close", () => members.delete(socket));
}

const server = listen(process.argv[2], (topic, body) => {
  for (const socket of topics.get(topic) ?? []) {
    if (socket.readyState === socket.OPEN) socket.send(body, { binary: false });
  }
});

server.on("upgrade", (request, stream, head) => {
  sockets.handleUpgrade(request, stream, head, (socket) => join(socket, topicOf(request)));
});
