/**
 * CSV: the ledger as a file for a spreadsheet.
 *
 * Promise: no cell is a formula to a spreadsheet, whatever an expert called a column.
 */
import { Left } from './protocol';

const COLUMNS: readonly (keyof Left)[] = [
  'number',
  'time',
  'expert',
  'title',
  'output_class',
  'units',
  'cells',
  'suppressed',
  'precision',
  'policy',
  'rules',
  'question',
  'session',
  'cell',
  'sequence',
  'chain'
];

export function csv(entries: readonly Left[]): string {
  const rows = entries.map(entry => COLUMNS.map(name => cell(entry[name])).join(','));
  return [COLUMNS.join(','), ...rows].join('\r\n') + '\r\n';
}

function cell(value: Left[keyof Left]): string {
  const text = typeof value === 'object' ? value.join('; ') : String(value);
  const safe = typeof value !== 'number' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
}
