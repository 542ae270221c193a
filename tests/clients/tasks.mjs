// A page that watches a task with its user's token: tasks.mjs WS_URL TASK TOKEN
const [base, task, token] = process.argv.slice(2);
const socket = new WebSocket(`${base}/ws/${task}?token=${token}`);

const handlers = {
  progress: ({ step, total_steps: total, status, details }) => console.log(`step ${step} of ${total}:`, status, details),
  completion: ({ recipe_id: id, recipe_name: name }) => console.log('done', id, name),
  error: ({ error, message }) => console.log('failed', error, message),
};

socket.onopen = () => console.log('open');
socket.onclose = ({ code, reason }) => console.log('closed', code, reason);
socket.onmessage = ({ data }) => {
  const message = JSON.parse(data);
  handlers[message.type]?.(message);
  if (message.type === 'completion') socket.close();
};
