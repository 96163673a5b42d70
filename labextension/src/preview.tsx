/**
 * Preview: a frozen answer as it would leave, for the owner alone.
 */
import * as React from 'react';

import { Examined, Grid } from './protocol';
import { Facts } from './receipt';

export function PreviewView(props: { preview: Examined['preview'] }): JSX.Element {
  const { preview } = props;
  if (preview === null) {
    return <p className="crk-Quiet">Nothing: no value could be computed, or it is more than a person can look through.</p>;
  }
  switch (preview.type) {
    case 'grid':
      return <GridView grid={preview} />;
    case 'artifact':
      return (
        <>
          <p>
            The file <code>{preview.name}</code>
          </p>
          <pre className="crk-Pre">{preview.report}</pre>
        </>
      );
    case 'array':
      return <pre className="crk-Pre">{(preview.labels.length > 0 ? preview.labels : preview.values).join(', ')}</pre>;
    case 'fit':
      return <p>That the model was fitted.</p>;
    case 'results':
      return (
        <>
          <Facts rows={preview.scalars.map(([name, value]) => [name, value === null ? '–' : said(value)])} />
          {preview.tables.map(({ name, grid }) => (
            <React.Fragment key={name}>
              <h4>{name}</h4>
              <GridView grid={grid} />
            </React.Fragment>
          ))}
          {preview.files.map(file => (
            <p key={file.name}>
              The file <code>{file.name}</code>
            </p>
          ))}
        </>
      );
  }
}

function GridView(props: { grid: Grid }): JSX.Element {
  const { grid } = props;
  return (
    <div className="crk-Scroll" tabIndex={0} role="group" aria-label="The numbers that would leave">
      <table className="crk-Grid crk-Preview">
        <thead>
          <tr>
            {grid.keys.map(key => (
              <th key={key} scope="col">
                {key}
              </th>
            ))}
            {grid.columns.map((column, place) => (
              <th key={place} scope="col" className="crk-Amount">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {grid.rows.map((row, at) => (
            <tr key={at}>
              {row.map((label, place) => (
                <th key={place} scope="row">
                  {String(label ?? '–')}
                </th>
              ))}
              {grid.values.map((column, place) => (
                <td key={place} className="crk-Amount">
                  {column[at] === null ? '–' : said(column[at])}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function said(value: number): string {
  return value.toLocaleString('en', { maximumSignificantDigits: 12 });
}
