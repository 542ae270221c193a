// A page that offers subprotocols, a token among them: subprotocol.mjs WS_URL PATH OFFER...
const [base, path, ...offers] = process.argv.slice(2);
const socket = new WebSocket(base + path, offers);

socket.onopen = () => console.log('open', socket.protocol);
socket.onerror = ({ message }) => console.log('error', message);
socket.onclose = ({ code, reason }) => console.log('closed', code, reason);
socket.onmessage = ({ data }) => {
  console.log(JSON.parse(data).type);
  socket.close();
};
