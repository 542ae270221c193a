// A page that watches a scraping job: scraping.mjs WS_URL JOB
const [base, job] = process.argv.slice(2);
const socket = new WebSocket(`${base}/ws/scraping/${job}`);

socket.onopen = () => console.log('open');
socket.onerror = (error) => console.log('error', error.message);
socket.onclose = ({ code }) => console.log('closed', code);
socket.onmessage = ({ data }) => {
  const { event_type: kind, progress, results_count: results, message } = JSON.parse(data);
  console.log(kind, progress, results, message);
  if (kind === 'job_completed') socket.close();
};
