// Stands in for a Centrifugo that the bench finds by URL, where none is to be had: the words of Centrifuge's JSON protocol that the bench uses, two
// messages to a frame where two wait. Its figures mean nothing; the bench's own tests check the dialect with it.
//
//   node centrifuge-stand-in.mjs        prints the port that it listens on
import { createServer } from "node:http";
import { WebSocketServer } from "ws";

const KEY = "stand-in";
const channels = new Map();
const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });

function say(socket, message) {
  socket.waiting.push(message);
  if (socket.waiting.length === 1) setImmediate(() => flush(socket));
}

function flush(socket) {
  while (socket.waiting.length > 0) socket.send(socket.waiting.splice(0, 2).join("\n"));
}

function hear(socket, command) {
  if (command.connect) {
    // A ping right behind the reply: the next subscription must survive it.
    say(socket, JSON.stringify({ id: command.id, connect: { client: "c", ping: 25, pong: true } }));
    say(socket, "{}");
  } else if (command.subscribe) {
    const { channel } = command.subscribe;
    if (!channels.has(channel)) channels.set(channel, { offset: 0, members: new Set() });
    channels.get(channel).members.add(socket);
    socket.on("close", () => channels.get(channel).members.delete(socket));
    say(socket, JSON.stringify({ id: command.id, subscribe: {} }));
  } else if (Object.keys(command).length > 0) {
    socket.close(3501, "bad request");
  }
}

function publish({ channel, data }) {
  const stream = channels.get(channel) ?? { offset: 0, members: new Set() };
  stream.offset += 1;
  // The first message of a history says its epoch, too.
  const position = stream.offset === 1 ? { offset: 1, epoch: "aBcD" } : { offset: stream.offset };
  const push = JSON.stringify({ push: { channel, pub: { data, ...position } } });
  for (const member of stream.members) say(member, push);
}

const server = createServer({ keepAliveTimeout: 120_000 }, (request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    const allowed = request.url === "/api/publish" && request.headers["x-api-key"] === KEY;
    if (allowed) publish(JSON.parse(Buffer.concat(chunks)));
    const body = allowed ? '{"result":{}}' : '{"error":{"code":103}}';
    response.writeHead(allowed ? 200 : 401, { "Content-Length": body.length }).end(body);
  });
});
server.on("upgrade", (request, stream, head) => {
  sockets.handleUpgrade(request, stream, head, (socket) => {
    socket.waiting = [];
    socket.on("message", (text) => text.toString().split("\n").forEach((line) => hear(socket, JSON.parse(line))));
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
