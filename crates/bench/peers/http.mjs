// The publisher's door of the topic servers that stand on Node's own HTTP server: `POST /pub?id=TOPIC` with the message as the body.
import { createServer } from "node:http";

// A publisher's connection may be silent for so long; Node's default of 5 s is shorter than a benchmark's pauses.
const KEEP_ALIVE_MS = 120_000;

export function topicOf(request) {
  return new URL(request.url, "http://localhost").searchParams.get("id") ?? "";
}

/** Listens on the loopback port; `publish` is given the topic and the body (a Buffer). */
export function listen(port, publish) {
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
    if (request.method !== "POST" || !request.url.startsWith("/pub?")) {
      response.writeHead(404, { "Content-Length": 0 }).end();
      return;
    }
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      publish(topicOf(request), Buffer.concat(chunks));
      response.writeHead(200, { "Content-Type": "text/plain", "Content-Length": 2 }).end("ok");
    });
  });
  server.listen({ port: Number(port), host: "127.0.0.1", backlog: 1024 });
  return server;
}
