// A page that follows channels and joins a room: channels.mjs WS_URL PATH ROOM
const [base, path, room] = process.argv.slice(2);
const socket = new WebSocket(base + path);

socket.onclose = ({ code }) => console.log('closed', code);
socket.onmessage = ({ data }) => {
  const event = JSON.parse(data);
  switch (event.type) {
    case 'connection':
      console.log('connected to', event.channels.join(' '));
      socket.send(JSON.stringify({ type: 'join_room', room }));
      break;
    case 'subscribed':
      console.log('in', event.channels.join(' '), event.rooms.join(' '));
      break;
    case 'campaign:launched':
      console.log('launched', event.campaign_id, event.campaign_name);
      break;
    case 'scraper:progress':
      console.log('scraped', event.percent);
      break;
    case 'ai:response_ready':
      console.log('answer', event.response);
      socket.close();
      break;
  }
};
