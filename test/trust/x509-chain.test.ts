import { describe, expect, it } from 'vitest';
import { ChainRefused, readCertificates, verifyChain } from '../../src/trust/x509-chain.ts';
import { certificateSample, NOW, numbered, pem } from '../verify/samples.ts';

describe('a chain', () => {
  it('is refused when a serial number is not positive: a list may name another reading of it', async () => {
    const { root, middle, leaf } = await certificateSample();
    const anchors = readCertificates([pem(root)]).map((certificate) => ({ certificate, trustDomain: 'a.example' }));
    const judge = async (serial: number[]) =>
      verifyChain(
        readCertificates([await numbered(leaf, middle, serial), pem(middle)]),
        anchors,
        new Date(NOW * 1_000),
      );
    await expect(judge([0xff])).rejects.toThrow(
      new ChainRefused('Certificate 0 is not in DER, or its serial number is not positive'),
    );
    // The control.
    await expect(judge([0x00, 0xff])).resolves.toMatchObject({ serialNumber: 'ff', trustDomain: 'a.example' });
  });
});
