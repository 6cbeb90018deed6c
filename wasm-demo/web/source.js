// Where messages come from: an engine behind the page, or one in a worker. Both have the same shape.

/**
 * @typedef {object} Listener
 * @property {(messages: any[]) => void} messages
 * @property {(state: 'starting' | 'running' | 'paused' | 'lost' | 'ended' | 'failed', text: string) => void} state
 * @property {(dots: Float64Array) => void} dots
 */

/**
 * A running engine, over server-sent events. The browser connects again by itself; a feed that ended for good is closed.
 */
export class LiveSource {
  /** @param {Listener} listener @param {string} address */
  constructor(listener, address) {
    this.kind = 'live';
    this.listener = listener;
    this.address = address;
    /** @type {number | undefined} */
    this.retry = undefined;
    /** Whether the run is over: that nobody answers then is no news. */
    this.hasEnded = false;
    this.connect();
  }

  connect() {
    const events = new EventSource(this.address);
    let isHeard = false;
    for (const type of ['hello', 'window', 'open', 'status', 'end']) {
      events.addEventListener(type, (event) => {
        const { data } = /** @type {MessageEvent} */ (event);
        if (data === undefined) return; // The browser's own `open`, which only shares the name.
        isHeard = true;
        const message = JSON.parse(data);
        this.listener.messages([message]);
        if (type === 'hello') {
          this.hasEnded = false;
          this.listener.state('running', 'Live');
        }
        if (type === 'end') {
          // The connection stays as long as the server does, and is made again when one starts anew: the next run may come.
          this.hasEnded = true;
          this.listener.state(message.how === 'failed' ? 'failed' : 'ended', message.error ?? ended(message.how));
        }
      });
    }
    events.addEventListener('error', () => {
      if (!this.hasEnded) this.listener.state('lost', isHeard ? 'Connection lost, trying again' : 'No engine answers, trying again');
      // The browser gives up on an answer that is no stream; an engine that is starting anew gives none at first.
      if (events.readyState === EventSource.CLOSED) this.later();
    });
    this.events = events;
  }

  later() {
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.connect(), 2000);
  }
}

/** @param {string} how */
function ended(how) {
  return how === 'stopped' ? 'Stopped' : 'All read';
}

/**
 * The engine in a worker.
 */
export class DemoSource {
  /** @param {Listener} listener @param {boolean} isScalar whether the engine is to do without vectors, for comparison */
  constructor(listener, isScalar) {
    this.kind = 'demo';
    this.listener = listener;
    this.number = 0;
    /** @type {Map<number, { resolve: (value: any) => void, reject: (error: Error) => void, chunk?: (bytes: Uint8Array) => void }>} */
    this.waiting = new Map();
    this.worker = new Worker(new URL('worker.js', import.meta.url), { type: 'module', name: isScalar ? 'scalar engine' : 'engine' });
    this.worker.addEventListener('message', ({ data }) => this.hear(data));
    this.worker.addEventListener('error', (event) => {
      listener.state('failed', `The engine cannot start: ${event.message || 'its module was not loaded'}`);
    });
  }

  /** @param {any} data */
  hear(data) {
    switch (data.type) {
      case 'messages':
        this.listener.messages(JSON.parse(data.json));
        break;
      case 'dots':
        this.listener.dots(data.dots);
        break;
      case 'state':
        this.listener.state(data.state, data.text);
        break;
      case 'chunk':
        this.waiting.get(data.id)?.chunk?.(data.bytes);
        break;
      case 'answer': {
        const waiting = this.waiting.get(data.id);
        this.waiting.delete(data.id);
        if (data.error === undefined) waiting?.resolve(data.value);
        else waiting?.reject(new Error(data.error));
        break;
      }
      default:
        throw new Error(`the worker said ${data.type}`);
    }
  }

  /**
   * Asks the worker something.
   * @param {any} question @param {(bytes: Uint8Array) => void} [chunk]
   * @returns {Promise<any>}
   */
  ask(question, chunk) {
    const id = (this.number += 1);
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject, chunk });
      this.worker.postMessage({ ...question, id });
    });
  }

  /** Starts a simulated shop; goes on fast to where the one before stood. @param {object} settings @param {number} speed @param {number | null} until */
  simulate(settings, speed, until) {
    this.worker.postMessage({ type: 'simulate', settings, speed, until });
  }

  /** @param {File} file @param {object} settings */
  analyse(file, settings) {
    this.worker.postMessage({ type: 'analyse', file, settings });
  }

  /** @param {number} speed @param {boolean} isPaused */
  pace(speed, isPaused) {
    this.worker.postMessage({ type: 'pace', speed, isPaused });
  }

  /** @param {boolean} isOn */
  dots(isOn) {
    this.worker.postMessage({ type: 'dots', isOn });
  }
}
