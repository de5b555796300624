import { NativeConnection } from '@temporalio/worker';

type SendRequest = (send: unknown, method: { name: string }, ...rest: unknown[]) => unknown;

/**
 * Counts what clients of this process ask of Temporal over connections that are made from now on. The polling of
 * workers and the completion of their tasks do not pass here.
 */
export function countTemporalCalls(): {
  during<T>(work: () => Promise<T>): Promise<{ result: T; calls: string[] }>;
  stop(): void;
} {
  const calls: string[] = [];
  const prototype = NativeConnection.prototype as unknown as { sendRequest: SendRequest };
  const { sendRequest } = prototype;
  prototype.sendRequest = new Proxy(sendRequest, {
    apply(target, connection, args: Parameters<SendRequest>) {
      calls.push(args[1].name);
      return Reflect.apply(target, connection, args);
    },
  });
  return {
    async during(work) {
      const from = calls.length;
      const result = await work();
      return { result, calls: calls.slice(from) };
    },
    stop() {
      prototype.sendRequest = sendRequest;
    },
  };
}
