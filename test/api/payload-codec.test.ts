import { randomBytes } from 'node:crypto';
import { defaultPayloadConverter } from '@temporalio/common';
import { describe, expect, it } from 'vitest';
import { AesPayloadCodec } from '../../src/api/codec/payload-codec.ts';

const [former, next] = [randomBytes(32).toString('base64'), randomBytes(32).toString('base64')];
const plain = [defaultPayloadConverter.toPayload({ amount: 12 })];
const read = async (codec: AesPayloadCodec, sealed: Awaited<ReturnType<AesPayloadCodec['encode']>>) =>
  (await codec.decode(sealed)).map((payload) => defaultPayloadConverter.fromPayload(payload));

describe('payloads', () => {
  it('are decrypted by the key that they name, present or previous', async () => {
    const sealed = await new AesPayloadCodec(former).encode(plain);
    for (const codec of [
      new AesPayloadCodec(former),
      new AesPayloadCodec(former, [next]),
      new AesPayloadCodec(next, [former]),
    ]) {
      expect(await read(codec, sealed)).toEqual([{ amount: 12 }]);
    }
  });

  it('are encrypted with the present key alone', async () => {
    const sealed = await new AesPayloadCodec(next, [former]).encode(plain);
    expect(await read(new AesPayloadCodec(next), sealed)).toEqual([{ amount: 12 }]);
    await expect(new AesPayloadCodec(former).decode(sealed)).rejects.toThrow('PROKURA_PAYLOAD_KEY_PREVIOUS');
  });

  it('of a key that is gone are refused by its id', async () => {
    const sealed = await new AesPayloadCodec(former).encode(plain);
    const id = Buffer.from(sealed[0]!.metadata!['encryption-key-id']!).toString();
    await expect(new AesPayloadCodec(next).decode(sealed)).rejects.toThrow(id);
  });

  it('that were changed are refused, also under the right name', async () => {
    const [sealed] = await new AesPayloadCodec(former).encode(plain);
    const data = new Uint8Array(sealed!.data!);
    data[data.length - 1]! ^= 1;
    await expect(new AesPayloadCodec(former).decode([{ ...sealed, data }])).rejects.toThrow();
  });

  it('that are not encrypted pass as they are', async () => {
    expect(await new AesPayloadCodec(next, [former]).decode(plain)).toEqual(plain);
  });
});
