import { describe, expect, it } from 'vitest';
import { camtReader } from '../../src/activities/settlement/camt.ts';
import { csvReader } from '../../src/activities/settlement/csv.ts';
import { UnreadableFile, type RecordReader } from '../../src/activities/settlement/records.ts';
import { toTypeId } from '../../src/domain/ids.ts';
import { BadLine, type FileLine } from '../../src/domain/settlement-file.ts';
import { OWN_COLUMNS, type CsvMapping } from '../../src/domain/settlement-mapping.ts';
import { newId } from '../../src/trust/new-id.ts';

type Read = { line: number } & ({ read: FileLine } | { reason: string });

/** Reads a file cut into pieces of `size` bytes. */
async function read(reader: RecordReader, text: string | Buffer, size = Infinity): Promise<Read[]> {
  const bytes = Buffer.from(text as string);
  const records: Read[] = [];
  const take = () => {
    for (const record of reader.take()) {
      try {
        records.push({ line: record.line, read: record.read() });
      } catch (error) {
        if (!(error instanceof BadLine)) throw error;
        records.push({ line: record.line, reason: error.message });
      }
    }
  };
  for (let at = 0; at < bytes.length; at += Math.min(size, bytes.length)) {
    await reader.write(bytes.subarray(at, at + Math.min(size, bytes.length)));
    take();
  }
  await reader.end();
  take();
  return records;
}

const OWN: CsvMapping = {
  delimiter: ',',
  encoding: 'utf8',
  columns: OWN_COLUMNS,
  rules: { amounts: 'minor', decimal: '.' },
};
const HEADER = Object.values(OWN_COLUMNS).join(',');
const paymentId = newId();
const operationId = newId();
const pay = toTypeId('pay', paymentId);
const op = toTypeId('op', operationId);
const GOOD = `l1,capture,${pay},${op},1000,10,EUR,s1,2026-03-05T22:00:00Z`;

describe('a CSV file', () => {
  it('is read by the names of its columns, wherever it is cut', async () => {
    const file = `\uFEFF${HEADER}\r\n${GOOD}\r\n"l2",refund,${pay},,"500",,eur,"s ""1""",2026-03-05\r\n`;
    const whole = await read(csvReader(OWN), file);
    expect(whole).toEqual([
      {
        line: 2,
        read: {
          lineId: 'l1',
          type: 'capture',
          paymentId,
          operationId,
          amountMinor: 1000,
          feeMinor: 10,
          currency: 'EUR',
          settlementId: 's1',
          settledAtMs: Date.parse('2026-03-05T22:00:00Z'),
        },
      },
      {
        line: 3,
        read: {
          lineId: 'l2',
          type: 'refund',
          paymentId,
          amountMinor: 500,
          feeMinor: 0,
          currency: 'EUR',
          settlementId: 's "1"',
          settledAtMs: Date.parse('2026-03-05T00:00:00Z'),
        },
      },
    ]);
    for (const size of [1, 3, 7, 50]) expect(await read(csvReader(OWN), file, size)).toEqual(whole);
  });

  it('is read by another’s columns, words and way of writing amounts', async () => {
    const mapping: CsvMapping = {
      delimiter: ';',
      encoding: 'latin1',
      columns: {
        line_id: ['Batch', 'Psp Reference'],
        type: 'Typ',
        processor_reference: 'Psp Reference',
        amount: 'Betrag',
        fee: 'Gebühr',
        currency: 'Währung',
        settlement: 'Batch',
      },
      rules: {
        amounts: 'major',
        decimal: ',',
        types: { capture: ['Settled'], refund: ['Refunded'] },
        settledAtMs: 0,
      },
    };
    const file = Buffer.from(
      'Batch;Psp Reference;Typ;Betrag;Gebühr;Währung\n7;psp1;Settled;1240,50;0,30;EUR\n7;psp2;Refunded;-10;;JPY\n',
      'latin1',
    );
    const [first, second] = (await read(csvReader(mapping), file)) as { read: FileLine }[];
    expect(first!.read).toMatchObject({
      lineId: '7/psp1',
      processorReference: 'psp1',
      amountMinor: 124050,
      feeMinor: 30,
    });
    expect(second!.read).toMatchObject({ type: 'refund', amountMinor: 10, currency: 'JPY' });
  });

  it.each([
    ['another number of columns', 'l1,capture', 'has 2 columns, not 9'],
    ['no id', GOOD.replace('l1', ''), 'line_id is missing'],
    ['no payment', GOOD.replace(pay, ''), 'payment is missing'],
    ['a word for a type', GOOD.replace('capture', 'fee'), 'type is neither a capture nor a refund'],
    ['decimals of minor units', GOOD.replace('1000', '10.00'), 'amount is not whole minor units'],
    ['more than a number holds', GOOD.replace('1000', '9007199254740993'), 'amount is not whole minor units'],
    ['a capture below zero', GOOD.replace('1000', '-1'), 'amount of a capture is below zero'],
    ['no currency', GOOD.replace('EUR', 'euro'), 'currency is not a code of three letters'],
    ['a day that is none', GOOD.replace('2026-03-05T22:00:00Z', '2026-02-30'), 'settled_at is not a date (ISO 8601)'],
    ['a quote amid a text', GOOD.replace('l1', 'l"1'), 'has quotes that do not fit'],
  ])('reports a line with %s by its number, and reads on', async (_, bad, reason) => {
    const records = await read(csvReader(OWN), `${HEADER}\n${GOOD}\n${bad}\n${GOOD}\n`);
    expect(records.map((record) => ('reason' in record ? record.reason : 'read'))).toEqual(['read', reason, 'read']);
    expect(records[1]!.line).toBe(3);
  });

  it.each([
    ['nothing in it', ''],
    ['no such column', 'a,b\n1,2\n'],
  ])('is refused with %s', async (_, file) => {
    await expect(read(csvReader(OWN), file)).rejects.toThrow(UnreadableFile);
  });
});

const statement = (entries: string, more = '') => `<?xml version="1.0" encoding="UTF-8"?>${more}
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><GrpHdr><MsgId>m</MsgId></GrpHdr>
<Stmt><Id>S-1</Id><CreDtTm>2026-03-06T01:00:00Z</CreDtTm>${entries}</Stmt></BkToCstmrStmt></Document>`;
const entry = (
  details: string,
  more = '',
) => `<Ntry><NtryRef>N1</NtryRef><Amt Ccy="EUR">10.00</Amt><CdtDbtInd>CRDT</CdtDbtInd>
<Sts><Cd>BOOK</Cd></Sts><ValDt><Dt>2026-03-05</Dt></ValDt>${more}<NtryDtls>${details}</NtryDtls></Ntry>`;

describe('a camt.053 statement', () => {
  it('is read entry by entry, transaction by transaction, wherever it is cut', async () => {
    const file = statement(
      entry(`<TxDtls><Refs><EndToEndId>${pay}</EndToEndId><InstrId>${op}</InstrId></Refs><Amt Ccy="EUR">9.90</Amt>
        <Chrgs><Rcrd><Amt Ccy="EUR">0.10</Amt><CdtDbtInd>DBIT</CdtDbtInd><ChrgInclInd>true</ChrgInclInd></Rcrd></Chrgs></TxDtls>
        <TxDtls><Refs><EndToEndId>NOTPROVIDED</EndToEndId></Refs><Amt Ccy="EUR">3.00</Amt><CdtDbtInd>DBIT</CdtDbtInd>
        <RmtInf><Ustrd>return of psp-77 &amp; ${pay}</Ustrd></RmtInf></TxDtls>`),
    );
    const whole = await read(camtReader(), file);
    expect(whole.map((record) => 'read' in record && record.read)).toEqual([
      {
        lineId: 'S-1/N1.1',
        type: 'capture',
        paymentId,
        operationId,
        amountMinor: 1000,
        feeMinor: 10,
        currency: 'EUR',
        settlementId: 'S-1',
        settledAtMs: Date.parse('2026-03-05T00:00:00Z'),
      },
      {
        lineId: 'S-1/N1.2',
        type: 'refund',
        paymentId,
        amountMinor: 300,
        feeMinor: 0,
        currency: 'EUR',
        settlementId: 'S-1',
        settledAtMs: Date.parse('2026-03-05T00:00:00Z'),
      },
    ]);
    for (const size of [1, 13, 100]) expect(await read(camtReader(), file, size)).toEqual(whole);
  });

  it('without details is the entry itself, by the bank’s reference of it', async () => {
    const file = statement(
      `<Ntry><Amt Ccy="JPY">500</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts><AcctSvcrRef>psp-1</AcctSvcrRef><NtryRef>psp-1</NtryRef></Ntry>`,
    );
    const [record] = await read(camtReader(), file);
    expect(record).toMatchObject({
      read: { lineId: 'S-1/psp-1', processorReference: 'psp-1', amountMinor: 500, currency: 'JPY' },
    });
  });

  it.each([
    ['is not booked', entry('').replace('BOOK', 'PDNG')],
    ['reverses an earlier entry, which is for a person to settle', entry('', '<RvslInd>true</RvslInd>')],
    ['amount is not usable: excess decimals', entry('').replace('10.00', '10.001')],
  ])('reports an entry that %s', async (reason, bad) => {
    const records = await read(camtReader(), statement(bad + entry('')));
    expect(records).toMatchObject([{ reason }, { read: { amountMinor: 1000 } }]);
  });

  it.each([
    ['a document type: nothing is expanded', statement('', '<!DOCTYPE d [<!ENTITY a "b">]>')],
    ['an end that is missing', statement('').slice(0, -8)],
    ['another message', statement('').replace('camt.053', 'camt.052')],
    ['bytes that are no UTF-8', Buffer.concat([Buffer.from(statement('')), Buffer.from([0xff])])],
    ['an entity that is not declared', statement(entry('<X>&a;</X>'))],
    ['nothing in it', ''],
  ])('is refused with %s', async (_, file) => {
    await expect(read(camtReader(), file)).rejects.toThrow(UnreadableFile);
  });
});
