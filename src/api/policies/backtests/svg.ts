type Attributes = Record<string, string | number>;

/** An element; children are markup already. Attributes and texts are escaped, and there is no style and no script. */
export function element(name: string, attributes: Attributes, ...children: string[]): string {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${escaped(String(value))}"`);
  return `<${name}${written.join('')}>${children.join('')}</${name}>`;
}

/** Text at a place, in the one size that is readable at half of the drawing's width. */
export function label(text: string, x: number, y: number, attributes: Attributes = {}): string {
  return element(
    'text',
    { x: rounded(x), y: rounded(y), fill: '#1b1b1b', 'font-size': 14, ...attributes },
    escaped(text),
  );
}

export function box(x: number, y: number, width: number, height: number, fill: string, more: Attributes = {}): string {
  const at = { x: rounded(x), y: rounded(y), width: rounded(width), height: rounded(height), fill, ...more };
  return element('rect', at);
}

/** What a browser shows where the pointer rests, and a screen reader reads. */
export function titled(title: string, ...children: string[]): string {
  return element('g', {}, element('title', {}, escaped(title)), ...children);
}

export function escaped(text: string): string {
  return (
    text
      // What XML 1.0 has no form for.
      .replaceAll(/[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu, '\u{FFFD}')
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('"', '&quot;')
  );
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
