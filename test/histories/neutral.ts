import { hostname } from 'node:os';

/** A history as Temporal's JSON form of protobuf writes it. */
export interface StoredHistory {
  events: ({ eventType: string } & Record<string, unknown>)[];
}

/** `pid@host`, and the names of sticky queues made of it. */
const PROCESS_NAME = new RegExp(`\\b\\d+@${hostname().replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)}`, 'g');
const FILE_PATH = /(?:file:\/\/)?\/(?:[\w.@+-]+\/)+[\w.@+-]+\.[cm]?[jt]s(?::\d+)*/g;

/** A history without the names of the machine that recorded it: none of them decides anything when it is replayed. */
export function neutral(historyJson: string): StoredHistory {
  return JSON.parse(historyJson, (_name, value: unknown) =>
    typeof value === 'string' ? value.replaceAll(PROCESS_NAME, 'recorder').replaceAll(FILE_PATH, 'file.js') : value,
  ) as StoredHistory;
}
