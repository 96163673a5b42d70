/**
 * Code: what the panel writes into a notebook.
 */
import { Column, TableSchema } from './protocol';

/** Code that asks the owner for a question that was withheld. */
export function askCode(question: string): string {
  return `request = room.request_release("${question.slice(0, 16)}", "")`;
}

/** Code that gets what the owner approved. */
export function resultCode(request: number): string {
  return `room.request(${request}).result()`;
}

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
