// Preload for `node --expose-gc --import`: SIGUSR2 collects garbage in every thread, so that memory can be compared.
import { BroadcastChannel, isMainThread } from 'node:worker_threads';

const channel = new BroadcastChannel('collect garbage');
channel.unref();
// Set once, like `process.on` below; the handler of a channel of threads, not of an element.
// oxlint-disable-next-line unicorn/prefer-add-event-listener
channel.onmessage = () => globalThis.gc();
if (isMainThread) {
  process.on('SIGUSR2', () => {
    globalThis.gc();
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- no window: a channel of threads
    channel.postMessage('now');
  });
}
