// Questions to Python, and jobs that wait for one another.

/** ask({kind, ...}) resolves to the reply, or rejects with its one line; `close` stops listening. */
export function connect(model) {
  const view = Math.random().toString(36).slice(2); // several views of one widget hear each other's replies
  const waiting = new Map();
  let count = 0;
  const listen = (reply) => {
    const { resolve, reject } = waiting.get(reply.id) ?? {};
    if (!resolve) return;
    waiting.delete(reply.id);
    reply.error === undefined ? resolve(reply) : reject(new Error(reply.error));
  };
  model.on("msg:custom", listen);
  const ask = (request) =>
    new Promise((resolve, reject) => {
      const id = `${view}-${count++}`;
      waiting.set(id, { resolve, reject });
      model.send({ id, ...request });
    });
  return { ask, close: () => model.off("msg:custom", listen) };
}

/** Run the job with the newest arguments, one run at a time: what comes in meanwhile replaces what waits. */
export function latest(job) {
  let running = false;
  let next = null;
  return async (...args) => {
    next = args;
    if (running) return;
    running = true;
    while (next) {
      const now = next;
      next = null;
      await job(...now);
    }
    running = false;
  };
}

/** Run the job when nobody has asked for it for a while; `flush` runs at once what waits. */
export function rested(job, milliseconds) {
  let timer = null;
  const flush = () => {
    if (timer === null) return;
    clearTimeout(timer);
    timer = null;
    return job();
  };
  return Object.assign(() => {
    clearTimeout(timer);
    timer = setTimeout(flush, milliseconds);
  }, { flush });
}
