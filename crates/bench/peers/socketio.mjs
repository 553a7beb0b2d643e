// A topic server on Socket.IO, as its documentation writes a room: a WebSocket to `/socket.io/?EIO=4&transport=websocket&id=ROOM` joins, `POST
// /pub?id=ROOM` emits the body to the room as `tick`. No compression (its default). Not a product: a peer for the benchmark.
//
//   node socketio.mjs PORT
import { Server } from "socket.io";
import { listen } from "./http.mjs";

const server = listen(process.argv[2], (room, body) => io.to(room).emit("tick", body.toString()));
const io = new Server(server, { transports: ["websocket"], serveClient: false });

io.on("connection", (socket) => {
  socket.join(socket.handshake.query.id);
  // Its page on memory: the first request of each connection is kept for nothing.
  socket.conn.request = null;
});
