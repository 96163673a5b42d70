/**
 * Words: how what is known is said. Pure functions, one place for each wording.
 */
import { IDenial, IFindings, isFit } from './findings';
import { Column, Receipt } from './protocol';

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
}

/** The worst that happened to a question of the cell, which gives the badge its sign. */
export type Outcome = 'released' | 'withheld' | 'refused';

export function outcome(findings: IFindings): Outcome {
  if (findings.denials.some(denial => denial.kind === 'refusal')) {
    return 'refused';
  }
  return findings.denials.length > 0 ? 'withheld' : 'released';
}

/** The badge's text: "released 3 · 1 cell suppressed · withheld 1". */
export function summary(findings: IFindings): string {
  const words = [];
  if (findings.fitted > 0) {
    words.push(`fitted ${findings.fitted}`);
  }
  if (findings.released > 0) {
    words.push(`released ${findings.released}`);
  }
  if (findings.suppressed > 0) {
    words.push(`${plural(findings.suppressed, 'cell')} suppressed`);
  }
  for (const [kind, said] of [
    ['withheld', 'withheld'],
    ['refusal', 'refused']
  ] as const) {
    const times = findings.denials.filter(one => one.kind === kind).reduce((sum, one) => sum + one.times, 0);
    if (times > 0) {
      words.push(`${said} ${times}`);
    }
  }
  return words.join(' · ');
}

/** What a denial means, and what to do. */
export function explained(denial: IDenial): string {
  const times = denial.times > 1 ? ` (${denial.times} times)` : '';
  if (denial.kind === 'withheld') {
    return `Withheld${times}. The answer would depend on too few patients, alone or with what was released before. Ask about more of them.`;
  }
  return `Refused${times} by the rule “${denial.rule}”. It depends on your code alone; the error in the cell says what to write instead.`;
}

const CLASSES: { [name: string]: string } = {
  frequency: 'counts',
  linear: 'sums or means',
  shape: 'spread',
  position: 'quantiles',
  endpoint: 'extremes',
  evaluation: 'score of a model',
  model: 'fitted model'
};

/** What receipts and the ledger's entries have in common. */
export type Sized = Pick<Receipt, 'output_class' | 'cells' | 'suppressed' | 'units'>;

/** Kinds of statistics in a release. */
export function kindOf(receipt: Pick<Receipt, 'output_class'>): string {
  return receipt.output_class
    .split(', ')
    .map(name => CLASSES[name] ?? name)
    .join(', ');
}

/** One line under a release's title. `unit` is what the room calls its privacy unit. */
export function sizes(receipt: Sized, unit: string): string {
  const words = [kindOf(receipt), isFit(receipt) ? 'stays in the room' : plural(receipt.cells, 'number')];
  if (receipt.suppressed > 0) {
    words.push(`${receipt.suppressed.toLocaleString('en')} suppressed`);
  }
  if (receipt.units) {
    words.push(`${receipt.units} ${unit}s`);
  }
  return words.join(' · ');
}

/** What left with a release. */
export function numbers(receipt: Receipt): string {
  if (isFit(receipt)) {
    return 'none; the model stays in the room';
  }
  return `${receipt.cells} shown, ${receipt.suppressed} suppressed`;
}

const TIERS: { [tier: string]: string } = {
  A: 'own namespaces, files and system calls closed',
  'A-': 'own namespaces, system calls closed',
  B: 'files and system calls closed',
  external: 'a machine of its own, on the owner’s word'
};

export function isolation(tier: string): string {
  return tier in TIERS ? `${tier} (${TIERS[tier]})` : tier;
}

/** What a column may hold, as the owner declared it. */
export function values(column: Column): string {
  const unit = column.measured_in ? ` ${column.measured_in}` : '';
  if (column.categories !== null) {
    const shown = column.categories.slice(0, 8).join(', ');
    return column.categories.length > 8 ? `${shown} … (${column.categories.length} categories)` : shown;
  }
  if (column.lower === null || column.upper === null) {
    return column.measured_in;
  }
  if (column.dtype === 'datetime') {
    return `${day(column.lower)} to ${day(column.upper)}`;
  }
  return `${number(column.lower)} to ${number(column.upper)}${unit}`;
}

function day(micros: number): string {
  return new Date(micros / 1000).toISOString().slice(0, 10);
}

function number(value: number): string {
  return value.toLocaleString('en', { maximumSignificantDigits: 6, useGrouping: false });
}

const ROLES: { [role: string]: string } = {
  unit: 'unit',
  key: 'key',
  feature: '',
  text: 'free text',
  hidden: 'hidden'
};

export function role(column: Column): string {
  return column.one_unit ? 'key of one unit' : ROLES[column.role];
}

// Made once: a formatter takes longer to make than a table of times to format.
const CLOCK = new Intl.DateTimeFormat([], { hour: '2-digit', minute: '2-digit' });
const MOMENT = new Intl.DateTimeFormat([], { dateStyle: 'medium', timeStyle: 'short' });

/** Time of day on the expert's clock. */
export function clock(time: string): string {
  const when = new Date(time);
  return Number.isNaN(when.getTime()) ? '' : CLOCK.format(when);
}

/** Day and time on the expert's clock. */
export function moment(time: string): string {
  const when = new Date(time);
  return Number.isNaN(when.getTime()) ? '' : MOMENT.format(when);
}

/** "1.4 GB", "380 MB". */
export function memory(bytes: number): string {
  const gigabytes = bytes / 2 ** 30;
  return gigabytes >= 1 ? `${gigabytes.toFixed(1)} GB` : `${Math.round(bytes / 2 ** 20)} MB`;
}
