// A live feed of events for browsers: reconnects by itself, goes on where it stopped, hands out each event once.
//
//   import { Realtime } from './realtime.js';
//   const feed = new Realtime('wss://erp.example.com/realtime/ws', {
//     token: () => session.accessToken(),              // called for each connection, and before the token expires
//     filters: [{ entity: ['partner', 'item'] }],      // leave out for everything that the user may see
//     onReady: (cursor) => reloadLists(),              // the feed runs: what is read from now on misses nothing
//     onEvent: (event) => apply(event),
//     onEnd: (error) => signInAgain(error),            // { code, message, details, hint }: coming back is no use
//   });
//   feed.close();

const EXPIRED = 'gateway.token_expired';
const UNKNOWN = 'realtime.cursor_unknown';
const KEPT_IDS = 10000;
const LONGEST_WAIT = 15000;

export class Realtime {
  constructor(url, options) {
    this.url = url;
    this.options = options;
    this.cursor = options.cursor ?? null; // keep it (onCursor) to go on after a reload of the page
    this.seen = new Set();
    this.failures = 0;
    this.refusals = 0;
    this.closed = false;
    this.connect();
  }

  // Changes what is wanted, from here on.
  filter(filters) {
    this.options.filters = filters;
    this.say({ type: 'filters', filters: filters ?? null });
  }

  close() {
    this.closed = true;
    this.stop();
    this.socket?.close(1000);
  }

  // ---- one connection -------------------------------------------------------------------------------------------

  async connect() {
    let token;
    try {
      token = await this.options.token();
    } catch {
      this.again();
      return;
    }
    if (this.closed) return;
    const socket = new WebSocket(this.url);
    this.socket = socket;
    this.error = null;
    this.ready = false;
    this.alive(30);
    socket.onopen = () => this.say({
      type: 'hello', token, cursor: this.cursor, filters: this.options.filters ?? null,
    });
    socket.onmessage = (message) => this.hear(JSON.parse(message.data));
    socket.onclose = () => {
      if (socket === this.socket) this.ended();
    };
  }

  say(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  hear(message) {
    this.alive(this.heartbeat);
    switch (message.type) {
      case 'ready':
        this.heartbeat = message.heartbeat;
        this.failures = 0;
        this.refusals = 0;
        this.ready = true;
        this.renewBefore(message.expires_at);
        this.move(message.cursor);
        this.options.onReady?.(message.cursor);
        break;
      case 'events':
        for (const event of message.events) {
          if (!this.isKnown(event.id)) this.options.onEvent(event);
        }
        this.move(message.cursor); // after the events: a page that dies between them gets them again
        break;
      case 'heartbeat':
        this.move(message.cursor);
        break;
      case 'token_accepted':
        this.renewBefore(message.expires_at);
        break;
      case 'error':
        this.error = message;
        break;
    }
  }

  move(cursor) {
    this.cursor = cursor;
    this.options.onCursor?.(cursor);
  }

  isKnown(id) {
    if (this.seen.has(id)) return true;
    this.seen.add(id);
    if (this.seen.size > KEPT_IDS) this.seen.delete(this.seen.values().next().value);
    return false;
  }

  // ---- what goes wrong --------------------------------------------------------------------------------------------

  ended() {
    this.stop();
    if (this.closed) return;
    const error = this.error;
    if (error && !error.reconnect) {
      this.refusals += 1;
      if (error.code === UNKNOWN && this.refusals < 3) {
        this.cursor = null; // another database: onReady has everything read again
      } else if (error.code !== EXPIRED || this.refusals > 1) {
        this.closed = true;
        this.options.onEnd?.(error);
        return;
      }
    }
    this.again();
  }

  // Soon the first time, then ever later, never all clients at the same moment.
  again() {
    if (this.closed) return;
    const longest = Math.min(LONGEST_WAIT, 250 * 2 ** this.failures);
    this.failures += 1;
    this.options.onDown?.(this.error);
    this.retry = setTimeout(() => this.connect(), longest * (0.3 + 0.7 * Math.random()));
  }

  // A connection that is dead without saying so: two heartbeats are missing.
  alive(heartbeat) {
    clearTimeout(this.watch);
    const socket = this.socket;
    this.watch = setTimeout(() => {
      if (socket !== this.socket) return;
      socket.onclose = null;
      socket.close();
      this.ended();
    }, (heartbeat ?? 15) * 2500);
  }

  renewBefore(expiresAt) {
    clearTimeout(this.renewal);
    const wait = Math.max(1000, new Date(expiresAt) - Date.now() - 60000);
    this.renewal = setTimeout(async () => {
      try {
        this.say({ type: 'token', token: await this.options.token() });
      } catch {
        // the connection ends with the token, and the next one asks again
      }
    }, wait);
  }

  stop() {
    clearTimeout(this.watch);
    clearTimeout(this.renewal);
    clearTimeout(this.retry);
  }
}
