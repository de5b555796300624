import { parse, type CsvError } from 'csv-parse';
import { BadLine, LINE_FIELDS, readLine, type LineField } from '../../domain/settlement-file.ts';
import type { CsvMapping } from '../../domain/settlement-mapping.ts';
import { UnreadableFile, type FileRecord, type RecordReader } from './records.ts';

/** Longest line, characters. */
const MAX_RECORD = 65_536;

/** Records of a CSV file (RFC 4180) whose columns mean what the mapping says. */
export function csvReader(mapping: CsvMapping): RecordReader {
  const queue: FileRecord[] = [];
  let header: Map<LineField, number[]> | undefined;
  let width = 0;
  let failure: Error | undefined;

  const parser = parse({
    bom: true,
    delimiter: mapping.delimiter,
    encoding: mapping.encoding,
    trim: true,
    skip_empty_lines: true,
    relax_column_count: true,
    max_record_size: MAX_RECORD,
    skip_records_with_error: true,
    // Called in the order of the file, as `on_record` is: records are counted, to go on after so many of them.
    on_skip: (error) => void queue.push(unreadable(error)),
    on_record: (record: string[], { lines }) => {
      if (!header) {
        width = record.length;
        try {
          header = columnsOf(record, mapping);
        } catch (error) {
          header = new Map();
          failure = error as Error;
        }
      } else queue.push(recordOf(record, lines, header));
      // Nothing is handed on: the queue is what is read.
      return undefined;
    },
  });
  parser.on('error', (error) => (failure ??= error));

  function recordOf(record: string[], line: number, columns: Map<LineField, number[]>): FileRecord {
    return {
      line,
      read() {
        if (record.length !== width) throw new BadLine(`has ${record.length} columns, not ${width}`);
        return readLine((field) => textOf(record, columns.get(field)), mapping.rules);
      },
    };
  }
  function check(): void {
    if (failure instanceof UnreadableFile) throw failure;
    if (failure) throw new UnreadableFile('The file cannot be read as CSV.', { cause: failure });
  }
  return {
    async write(chunk) {
      await new Promise((done) => parser.write(chunk, done));
      check();
    },
    async end() {
      await new Promise((done) => parser.end(done));
      check();
      if (!header) throw new UnreadableFile('The file is empty.');
    },
    take: () => queue.splice(0),
  };
}

/** A field made of several columns is their texts, with slashes between. */
function textOf(record: string[], indexes: number[] | undefined): string {
  if (!indexes) return '';
  if (indexes.length === 1) return record[indexes[0]!] ?? '';
  return indexes.map((index) => record[index] ?? '').join('/');
}

function columnsOf(header: string[], { columns }: CsvMapping): Map<LineField, number[]> {
  const found = new Map<LineField, number[]>();
  for (const field of LINE_FIELDS) {
    const names = columns[field];
    if (names === undefined) continue;
    const indexes = [names].flat().map((name) => {
      const index = header.indexOf(name);
      if (index === -1) throw new UnreadableFile(`The file has no column ${JSON.stringify(name)}.`);
      return index;
    });
    found.set(field, indexes);
  }
  return found;
}

function unreadable(error: CsvError | undefined): FileRecord {
  return {
    line: Number(error?.['lines'] ?? 0),
    read() {
      throw new BadLine(error?.code === 'CSV_MAX_RECORD_SIZE' ? 'is too long' : 'has quotes that do not fit');
    },
  };
}
