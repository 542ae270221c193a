// A page that watches a download, keeps the socket alive and opens it again when it is lost: downloads.mjs WS_URL JOB
const [base, job] = process.argv.slice(2);
const TRIES = 5;
let attempts = 0;

function connect() {
  const socket = new WebSocket(`${base}/ws/download/${job}`);
  // A browser closes a socket that it could not open; Node before 23 only reports the error.
  let closed = false;
  const lost = (code) => {
    if (closed) return;
    closed = true;
    console.log('closed', code);
    if (code === 1000 || attempts === TRIES) return;
    setTimeout(connect, Math.min(1000 * 2 ** attempts, 30000));
    attempts += 1;
  };
  socket.onopen = () => {
    attempts = 0;
    console.log('open');
    socket.send('ping');
  };
  socket.onerror = () => setTimeout(lost, 100, 1006);
  socket.onclose = ({ code }) => lost(code);
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.type !== 'status') {
      console.log(message.type);
      return;
    }
    const { status, progress, videoInfo } = message.data;
    console.log(status, progress, videoInfo?.title ?? '-');
    if (status === 'completed') socket.close(1000);
  };
}

connect();
