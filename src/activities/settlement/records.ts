import type { FileLine } from '../../domain/settlement-file.ts';

/** A record of a settlement file: where it ends, and how it is read, or why it cannot be. */
export interface FileRecord {
  /** Line of the file, from 1; of XML, the line on which the entry ends. */
  line: number;
  /** @throws BadLine */
  read(): FileLine;
}

/** Takes a file bytes by bytes and gives its records, in the same order however it was cut. */
export interface RecordReader {
  /** @throws UnreadableFile */
  write(chunk: Buffer): Promise<void>;
  /** @throws UnreadableFile */
  end(): Promise<void>;
  /** The records since the last call. */
  take(): FileRecord[];
}

/** The file as a whole is not what it was said to be; a sentence without what is in it. */
export class UnreadableFile extends Error {
  override readonly name = 'UnreadableFile';
}
