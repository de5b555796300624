/** The `did:web` of an installation: its host and port (did:web §3.2). */
export function didWebOf(publicUrl: string): string {
  return `did:web:${encodeURIComponent(new URL(publicUrl).host)}`;
}

/** Who vouches for verdicts, without the key (`#kid`): as configured, else the `did:web` of the public address. */
export function issuerOf({ issuer, publicUrl }: { issuer?: string; publicUrl: string }): string {
  return issuer ?? didWebOf(publicUrl);
}
