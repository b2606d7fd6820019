// The WebSocket to the console node: news in, commands out, and a watch on whether it still lives.

const SILENCE_MS = 2000;   // without news for so long the link counts as lost
const RETRY_MS = 1000;
const ANSWER_MS = 65000;
const STOP_MS = 3000, STOP_ATTEMPTS = 3;
const HEAD_BYTES = 8;

export class Link {
  /** handlers: open(), hello(object), round(changed, now_s), picture(camera, blob), state(alive, text) */
  constructor(handlers) {
    this.handlers = handlers;
    this.alive = false;
    this.waiting = new Map();
    this.number = 0;
    this.heard = -Infinity;
    this.connect();
    setInterval(() => this.watch(), 200);
  }

  connect() {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    const socket = new WebSocket(`${scheme}://${location.host}/ws`);
    this.socket = socket;
    this.opened = performance.now();
    socket.binaryType = 'arraybuffer';
    socket.onmessage = (event) => {
      if (socket === this.socket) this.take(event.data);
    };
    // The token goes first: it is what gets an operator in when all places are taken.
    socket.onopen = () => { if (socket === this.socket) this.handlers.open(); };
    socket.onclose = (event) => {
      if (socket !== this.socket) return;
      this.socket = null;
      this.lost(event.code === 4003 ? event.reason : '');
      setTimeout(() => this.connect(), RETRY_MS);
    };
  }

  take(data) {
    if (data instanceof ArrayBuffer) {
      const camera = new DataView(data).getUint8(0);
      this.handlers.picture(camera, new Blob([data.slice(HEAD_BYTES)], { type: 'image/jpeg' }));
      return;
    }
    const message = JSON.parse(data);
    if (message.hello) {
      this.handlers.hello(message.hello);
    } else if (message.round) {
      this.socket.send(JSON.stringify({ seen: message.round }));
      this.heard = performance.now();
      if (!this.alive) {
        this.alive = true;
        this.handlers.state(true, '');
      }
      this.handlers.round(message.changed, message.now_s);
    } else if ('answer' in message) {
      const resolve = this.waiting.get(message.answer);
      this.waiting.delete(message.answer);
      if (resolve) resolve({ ok: message.ok, message: message.message });
    }
  }

  watch() {
    if (this.alive && performance.now() - this.heard > SILENCE_MS) this.lost('');
    // A socket that neither opens nor fails, or has gone silent for good, is given up.
    const since = Math.max(this.heard, this.opened);
    if (this.socket && performance.now() - since > 4 * SILENCE_MS) {
      const old = this.socket;
      this.socket = null;
      old.close();
      this.connect();
    }
  }

  lost(text) {
    this.alive = false;
    for (const resolve of this.waiting.values()) {
      resolve({ ok: false, lost: true, message: 'the link to the console broke: not known whether it was done' });
    }
    this.waiting.clear();
    this.handlers.state(false, text);
  }

  /** Send a command; resolves to {ok, message}, never rejects; with lost: true the console did not answer. */
  request(command, args, token) {
    if (!this.socket || this.socket.readyState !== WebSocket.OPEN) {
      return Promise.resolve({ ok: false, lost: true, message: 'no link to the console: nothing was sent' });
    }
    const id = ++this.number;
    this.socket.send(JSON.stringify({ id, command, arguments: args, token }));
    return new Promise((resolve) => {
      this.waiting.set(id, resolve);
      setTimeout(() => {
        if (this.waiting.delete(id)) resolve({ ok: false, lost: true, message: 'no answer from the console' });
      }, ANSWER_MS);
    });
  }

  /** Stop the arm; needs no token, and no WebSocket when there is none. Resolves to {ok, message}. */
  async stop() {
    if (this.alive) {
      const answer = await Promise.race([
        this.request('stop', {}, ''),
        new Promise((resolve) => { setTimeout(() => resolve({ lost: true }), STOP_MS); }),
      ]);
      if (!answer.lost) return answer;
    }
    for (let attempt = 0; attempt < STOP_ATTEMPTS; attempt++) {
      try {
        const response = await fetch('/stop', { method: 'POST', signal: AbortSignal.timeout(STOP_MS) });
        return await response.json();
      } catch { /* once more */ }
    }
    return { ok: false, message: 'The console does not answer: the stop was not sent. Use the emergency stop switch.' };
  }
}
