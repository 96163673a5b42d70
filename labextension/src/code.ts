/**
 * Code: what the panel writes into a notebook.
 */
import { Column, TableSchema } from './protocol';

export function tableCode(table: TableSchema): string {
  return `room[${quoted(table.name)}]`;
}

export function columnCode(table: TableSchema, column: Column): string {
  return `${tableCode(table)}[${quoted(column.name)}]`;
}

/** A Python string: JSON's, which Python reads the same. */
function quoted(name: string): string {
  return JSON.stringify(name);
}
