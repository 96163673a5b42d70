/**
 * Tables: the room's public schema. A click on a name puts it into the notebook.
 */
import * as React from 'react';

import { columnCode, tableCode } from './code';
import { Column, TableSchema, Welcome } from './protocol';
import { role, values } from './words';

export interface ITablesProps {
  readonly description: Welcome;
  readonly onInsert: (code: string) => void;
}

/** From so many columns on, a field to search them is worth its place. */
const SEARCHABLE = 12;

export function TablesView(props: ITablesProps): JSX.Element {
  const { description, onInsert } = props;
  const [wanted, want] = React.useState('');
  const { tables, unit_name } = description.schema;
  const columns = tables.reduce((sum, table) => sum + table.columns.length, 0);
  return (
    <>
      {columns >= SEARCHABLE && (
        <input
          className="jp-mod-styled crk-Search"
          type="search"
          placeholder="Find a column"
          aria-label="Find a column"
          value={wanted}
          onChange={event => want(event.target.value)}
        />
      )}
      {tables.map(table => (
        <TableView
          key={table.name}
          table={table}
          band={sized(description.units[table.name], unit_name)}
          wanted={wanted.trim().toLowerCase()}
          onInsert={onInsert}
        />
      ))}
    </>
  );
}

function sized(band: string | undefined, unit: string): string {
  return band === undefined ? 'public' : `${band} ${unit}s`;
}

interface ITableProps {
  readonly table: TableSchema;
  readonly band: string;
  readonly wanted: string;
  readonly onInsert: (code: string) => void;
}

function TableView(props: ITableProps): JSX.Element | null {
  const { table, band, wanted, onInsert } = props;
  const found = table.columns.filter(column => matches(column, wanted));
  if (wanted !== '' && found.length === 0) {
    return null;
  }
  return (
    <details className="crk-Table" open={wanted !== '' || undefined}>
      <summary>
        <span className="crk-Name">{table.name}</span>
        <span className="crk-Quiet"> {band}</span>
      </summary>
      <p className="crk-Quiet">{table.description}</p>
      <Insert code={tableCode(table)} onInsert={onInsert} className="crk-Insert-table">
        {tableCode(table)}
      </Insert>
      <ul className="crk-Columns">
        {found.map(column => (
          <li key={column.name}>
            <Insert code={columnCode(table, column)} onInsert={onInsert}>
              {column.name}
            </Insert>
            <span className="crk-Quiet"> {[column.dtype, role(column)].filter(Boolean).join(' · ')}</span>
            {values(column) && <div className="crk-Values">{values(column)}</div>}
            {column.description && <div className="crk-Quiet">{column.description}</div>}
          </li>
        ))}
      </ul>
    </details>
  );
}

function matches(column: Column, wanted: string): boolean {
  return `${column.name} ${column.description}`.toLowerCase().includes(wanted);
}

interface IInsertProps {
  readonly code: string;
  readonly onInsert: (code: string) => void;
  readonly className?: string;
  readonly children: React.ReactNode;
}

function Insert(props: IInsertProps): JSX.Element {
  const { code, onInsert, className = '', children } = props;
  return (
    <button
      className={`crk-Insert ${className}`}
      title={`Insert ${code}`}
      aria-label={`Insert ${code}`}
      onClick={() => onInsert(code)}
    >
      {children}
    </button>
  );
}
