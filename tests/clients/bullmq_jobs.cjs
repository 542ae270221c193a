// Queues, workers and flows of BullMQ. A line of stdin is a command as a JSON array; its answer is a line of stdout as JSON.
// A job does, step by step, what the test pushes to the list `step:<queue>:<job id>`.

const { FlowProducer, Queue, UnrecoverableError, Worker } = require("bullmq");
const Redis = require("ioredis");
const readline = require("node:readline");

const url = process.env.BULLMQ_REDIS;
const prefix = process.env.BULLMQ_PREFIX || "bull";
const connect = () => new Redis(url, { maxRetriesPerRequest: null });
const connection = connect();
const queues = new Map();

function queue(name) {
  if (!queues.has(name)) queues.set(name, new Queue(name, { connection, prefix }));
  return queues.get(name);
}

async function steps(job) {
  const list = connect();
  try {
    for (;;) {
      const [, text] = await list.blpop(`step:${job.queueName}:${job.id}`, 0);
      const step = JSON.parse(text);
      if ("return" in step) return step.return;
      if ("raise" in step) throw new Error(step.raise);
      if ("give up" in step) throw new UnrecoverableError(step["give up"]);
      await job.updateProgress(step.progress);
    }
  } finally {
    list.disconnect();
  }
}

const commands = {
  work: async (name, options) => {
    await new Worker(name, steps, { connection, prefix, concurrency: 4, ...options }).waitUntilReady();
  },
  add: async (name, data, options) => (await queue(name).add("encode", data, options)).id,
  flow: async tree => (await new FlowProducer({ connection, prefix }).add(tree)).job.id,
  retry: async (name, id) => (await queue(name).getJob(id)).retry(),
  remove: async (name, id) => (await queue(name).getJob(id)).remove(),
  state: async (name, id) => (await queue(name).getJob(id)).getState(),
  pause: async name => queue(name).pause(),
  resume: async name => queue(name).resume(),
};

console.log("ready");
let last = Promise.resolve();
readline.createInterface({ input: process.stdin }).on("line", line => {
  const [command, ...args] = JSON.parse(line);
  last = last.then(async () => console.log(JSON.stringify((await commands[command](...args)) ?? null)));
  last.catch(error => {
    console.error(error);
    process.exit(1);
  });
});
