/**
 * Findings: what the room's server said, with the reply of a cell, of everything that the cell asked.
 *
 * Promise: made of the reply's own metadata, which the server writes from the vault's line. A notebook file can hold
 * anything, so what is read back from one is checked field by field, shown as read from the file, and never trusted
 * to be of a certain shape.
 */
import { Receipt } from './protocol';

/** Key of a cell's metadata, and of the metadata of a reply. */
export const KEY = 'cleanroom';

/** A question without an answer. */
export interface IDenial {
  readonly kind: 'withheld' | 'refusal';
  readonly rule: string;
  readonly times: number;
  /** Those of the questions that the owner can be asked for, by their digests. */
  readonly questions: readonly string[];
}

/** What one run of a cell asked. `request` is the cell's identity in receipts. */
export interface IFindings {
  readonly request: string;
  readonly time: string;
  /** Models that were fitted, and stay in the room. */
  readonly fitted: number;
  readonly released: number;
  readonly suppressed: number;
  readonly receipts: readonly Receipt[];
  readonly denials: readonly IDenial[];
}

/** Receipts that a cell keeps in the notebook's file: a loop over a hundred models must not make it huge. */
export const MOST_KEPT = 25;

/** Findings in the metadata of an execute reply; null when it is none of a clean room, or nothing was asked. */
export function ofReply(request: string, time: string, metadata: unknown): IFindings | null {
  const found = field(metadata, KEY);
  const receipts = list(field(found, 'receipts')).filter(isReceipt);
  const denials = counted(list(field(found, 'denied')));
  if (receipts.length + denials.length === 0) {
    return null;
  }
  return {
    request,
    time,
    fitted: receipts.filter(isFit).length,
    released: receipts.filter(receipt => !isFit(receipt)).length,
    suppressed: receipts.reduce((sum, receipt) => sum + receipt.suppressed, 0),
    receipts,
    denials
  };
}

/** Findings as a cell keeps them, and back. */
export function kept(findings: IFindings): IFindings {
  return { ...findings, receipts: findings.receipts.slice(-MOST_KEPT) };
}

export function ofCell(metadata: unknown): IFindings | null {
  const receipts = list(field(metadata, 'receipts')).filter(isReceipt);
  const denials = list(field(metadata, 'denials')).filter(isDenial).map(withQuestions);
  const request = field(metadata, 'request');
  const time = field(metadata, 'time');
  const fitted = field(metadata, 'fitted');
  const released = field(metadata, 'released');
  const suppressed = field(metadata, 'suppressed');
  if (
    typeof request !== 'string' ||
    typeof time !== 'string' ||
    !isCount(fitted) ||
    !isCount(released) ||
    !isCount(suppressed) ||
    fitted + released + denials.length === 0
  ) {
    return null;
  }
  return { request, time, fitted, released, suppressed, receipts, denials };
}

function counted(denied: readonly unknown[]): IDenial[] {
  const found = new Map<string, IDenial>();
  for (const one of denied) {
    const kind = field(one, 'kind');
    const rule = field(one, 'rule');
    if ((kind === 'withheld' || kind === 'refusal') && typeof rule === 'string') {
      const key = `${kind} ${rule}`;
      const before = found.get(key);
      const questions = [...(before?.questions ?? []), ...[field(one, 'question')].filter(isQuestion)];
      found.set(key, { kind, rule, times: (before?.times ?? 0) + 1, questions: [...new Set(questions)] });
    }
  }
  return [...found.values()];
}

const TEXTS = ['question', 'output_class', 'title', 'units', 'precision', 'policy', 'expert', 'cell', 'time', 'chain'];
const COUNTS = ['number', 'cells', 'suppressed'];

export function isReceipt(value: unknown): value is Receipt {
  return (
    TEXTS.every(name => typeof field(value, name) === 'string') &&
    COUNTS.every(name => isCount(field(value, name))) &&
    Array.isArray(field(value, 'rules')) &&
    list(field(value, 'rules')).every(rule => typeof rule === 'string')
  );
}

/** Whether nothing left but the word that a model was fitted, and what it may be used for. */
export function isFit(receipt: Pick<Receipt, 'output_class' | 'cells'>): boolean {
  return receipt.output_class === 'model' && receipt.cells === 0;
}

function isDenial(value: unknown): value is IDenial {
  const kind = field(value, 'kind');
  return (
    (kind === 'withheld' || kind === 'refusal') &&
    typeof field(value, 'rule') === 'string' &&
    isCount(field(value, 'times'))
  );
}

function withQuestions(denial: IDenial): IDenial {
  return { ...denial, questions: list(denial.questions).filter(isQuestion) };
}

/** A question's digest, which goes into code: whatever a file says must be one. */
export function isQuestion(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{40}$/.test(value);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0;
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
