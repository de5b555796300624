import { SaxesParser } from 'saxes';
import { parseId } from '../../domain/ids.ts';
import { BadLine, readLine, type FileLine, type LineField } from '../../domain/settlement-file.ts';
import { UnreadableFile, type FileRecord, type RecordReader } from './records.ts';

/** An element that is open, with what was found in it so far. */
interface Element {
  name: string;
  text: string;
  currency?: string;
  children: Element[];
}

/** Elements whose content is not kept: they hold whole entries. */
const CONTAINERS = new Set(['Document', 'BkToCstmrStmt', 'Stmt']);
const MAX_TEXT = 1_024;
/** Of one entry; a batch booking with more transactions than this is cut by no bank. */
const MAX_ELEMENTS = 2_000_000;
const NAMESPACE = /^urn:iso:std:iso:20022:tech:xsd:camt\.053\.001\.\d{2}$/;

/**
 * Transactions of an ISO 20022 bank statement (camt.053, any version): every `TxDtls` of a booked entry, or the entry
 * itself when it has none. Credits are captures, debits are refunds. A document type is refused: nothing is expanded.
 */
export function camtReader(): RecordReader {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const parser = new SaxesParser({ xmlns: true, position: true });
  const queue: FileRecord[] = [];
  const open: Element[] = [];
  let failure: Error | undefined;
  let statement = { id: '', date: '', entries: 0 };
  let elements = 0;
  let isStatement = false;

  parser.on('error', (error) => {
    failure ??= new UnreadableFile(`The file is not well-formed XML (line ${parser.line}).`, { cause: error });
  });
  parser.on('doctype', () => (failure ??= new UnreadableFile('The file has a document type, which is not read.')));
  parser.on('opentag', ({ local, uri, attributes }) => {
    if (open.length === 0) {
      isStatement = local === 'Document' && NAMESPACE.test(uri);
      if (!isStatement) failure ??= new UnreadableFile('The file is not a camt.053 document.');
    }
    if (local === 'Stmt') statement = { id: '', date: '', entries: 0 };
    if (local === 'Ntry') elements = 0;
    if (++elements > MAX_ELEMENTS) failure ??= new UnreadableFile('An entry of the statement is too large.');
    const currency = attributes['Ccy']?.value;
    open.push({ name: local, text: '', children: [], ...(currency !== undefined && { currency }) });
  });
  parser.on('text', (text) => {
    const element = open.at(-1);
    if (element && element.text.length < MAX_TEXT) element.text += text;
  });
  parser.on('closetag', () => {
    const element = open.pop()!;
    const parent = open.at(-1);
    if (!parent) return;
    if (parent.name === 'Stmt') {
      if (element.name === 'Id') statement.id = element.text.trim();
      if (element.name === 'CreDtTm') statement.date = element.text.trim();
      if (element.name === 'Ntry') {
        statement.entries++;
        queue.push(...recordsOf(element, { ...statement }, parser.line));
      }
    } else if (!CONTAINERS.has(parent.name)) parent.children.push(element);
  });

  const feed = (text: string) => {
    if (failure) throw failure;
    parser.write(text);
    if (failure) throw failure;
  };
  return {
    async write(chunk) {
      feed(decoded(() => decoder.decode(chunk, { stream: true })));
    },
    async end() {
      feed(decoded(() => decoder.decode()));
      parser.close();
      if (failure) throw failure;
      if (!isStatement) throw new UnreadableFile('The file is empty.');
    },
    take: () => queue.splice(0),
  };
}

function decoded(decode: () => string): string {
  try {
    return decode();
  } catch (cause) {
    throw new UnreadableFile('The file is not UTF-8.', { cause });
  }
}

interface Statement {
  id: string;
  date: string;
  entries: number;
}

function recordsOf(entry: Element, statement: Statement, line: number): FileRecord[] {
  const transactions = all(entry, 'NtryDtls', 'TxDtls');
  const parts = transactions.length > 0 ? transactions : [entry];
  return parts.map((part, n) => ({
    line,
    read: () => readEntry(entry, part, statement, parts.length > 1 ? `.${n + 1}` : ''),
  }));
}

/**
 * The gross amount is the instructed one, where it is told; else the booked one, with the charges that were taken from
 * it. A line is known by the bank's reference of the entry within the statement, and by its place without one.
 */
function readEntry(entry: Element, part: Element, statement: Statement, suffix: string): FileLine {
  const status = first(entry, 'Sts', 'Cd') || first(entry, 'Sts');
  if (status !== '' && status !== 'BOOK') throw new BadLine('is not booked');
  if ((first(part, 'RvslInd') || first(entry, 'RvslInd')) === 'true') {
    throw new BadLine('reverses an earlier entry, which is for a person to settle');
  }
  const direction = first(part, 'CdtDbtInd') || first(entry, 'CdtDbtInd');
  const booked = one(part, 'Amt') ?? one(part, 'AmtDtls', 'TxAmt', 'Amt') ?? one(entry, 'Amt');
  const instructed = one(part, 'AmtDtls', 'InstdAmt', 'Amt');
  const charges = chargesOf(part);
  const fee = charges.reduce((sum, { text, credit }) => add(sum, credit ? negated(text) : text), '0');
  const included = charges.some((charge) => charge.included);
  const gross = instructed?.text ?? (included ? add(booked?.text ?? '', fee) : (booked?.text ?? ''));
  const reference = first(entry, 'AcctSvcrRef') || first(entry, 'NtryRef') || `#${statement.entries}`;
  const refs = referencesOf(part, entry);
  const payment = refs.find((ref) => parseId(ref, 'pay') !== undefined && ref.startsWith('pay_'));
  const fields: Record<LineField, string> = {
    line_id: `${statement.id}/${reference}${suffix}`,
    type: direction === 'CRDT' ? 'capture' : direction === 'DBIT' ? 'refund' : direction,
    payment: payment ?? '',
    processor_reference: payment === undefined ? (refs[0] ?? '') : '',
    operation: refs.find((ref) => ref.startsWith('op_') && parseId(ref, 'op') !== undefined) ?? '',
    amount: gross,
    fee,
    currency: (instructed ?? booked)?.currency ?? '',
    settlement: statement.id,
    settled_at:
      first(entry, 'ValDt', 'DtTm') ||
      first(entry, 'ValDt', 'Dt') ||
      first(entry, 'BookgDt', 'DtTm') ||
      first(entry, 'BookgDt', 'Dt') ||
      statement.date,
  };
  return readLine((field) => fields[field], { amounts: 'major', decimal: '.' });
}

/** In the order in which they are asked for the payment. */
function referencesOf(part: Element, entry: Element): string[] {
  const told = ['EndToEndId', 'InstrId', 'TxId', 'PmtInfId', 'MsgId', 'AcctSvcrRef'].map((name) =>
    first(part, 'Refs', name),
  );
  const remittance = [...all(part, 'RmtInf', 'Strd', 'CdtrRefInf', 'Ref'), ...all(part, 'RmtInf', 'Ustrd')].flatMap(
    ({ text }) => text.split(/[\s,;:/]+/),
  );
  return [...told, ...remittance, first(entry, 'NtryRef')]
    .map((text) => text.trim())
    .filter((text) => text !== '' && text !== 'NOTPROVIDED');
}

function chargesOf(part: Element): { text: string; credit: boolean; included: boolean }[] {
  return all(part, 'Chrgs', 'Rcrd').map((record) => ({
    text: first(record, 'Amt'),
    credit: first(record, 'CdtDbtInd') === 'CRDT',
    included: first(record, 'ChrgInclInd') === 'true',
  }));
}

function negated(text: string): string {
  return text.startsWith('-') ? text.slice(1) : `-${text}`;
}

/** Decimal texts, exactly; what is none of them becomes a text that is refused as an amount. */
function add(a: string, b: string): string {
  const parts = [a, b].map((text) => /^(-?)(\d+)(?:\.(\d+))?$/.exec(text.trim()));
  if (parts.some((part) => !part)) return 'unreadable';
  const scale = Math.max(...parts.map((part) => part![3]?.length ?? 0));
  const [x, y] = parts.map((part) => BigInt(`${part![1]}${part![2]}${(part![3] ?? '').padEnd(scale, '0')}`));
  const sum = x! + y!;
  const digits = (sum < 0n ? -sum : sum).toString().padStart(scale + 1, '0');
  const whole = digits.slice(0, digits.length - scale);
  return `${sum < 0n ? '-' : ''}${whole}${scale > 0 ? `.${digits.slice(-scale)}` : ''}`;
}

function all(element: Element, ...path: string[]): Element[] {
  return path.reduce(
    (found, name) => found.flatMap(({ children }) => children.filter((child) => child.name === name)),
    [element],
  );
}

function one(element: Element, ...path: string[]): Element | undefined {
  const found = all(element, ...path)[0];
  return found && { ...found, text: found.text.trim() };
}

function first(element: Element, ...path: string[]): string {
  return one(element, ...path)?.text ?? '';
}
