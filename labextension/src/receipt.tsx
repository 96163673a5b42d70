/**
 * Receipt: one release in full, in the panel and under a cell.
 */
import * as React from 'react';

import { Receipt } from './protocol';
import { kindOf, moment, numbers, plural } from './words';

export function ReceiptView(props: { receipt: Receipt }): JSX.Element {
  const { receipt } = props;
  const rows: [string, string][] = [
    ['Kind', kindOf(receipt)],
    ['Units', receipt.units],
    ['Numbers', numbers(receipt)],
    ['Precision', receipt.precision],
    ['Policy', receipt.policy],
    ['Released', [receipt.expert && `to ${receipt.expert}`, moment(receipt.time)].filter(Boolean).join(', ')],
    ['Audit entry', receipt.chain.slice(0, 16)]
  ];
  return (
    <>
      <Facts rows={rows} />
      {receipt.rules.length > 0 && <Rules rules={receipt.rules} />}
    </>
  );
}

export function Facts(props: { rows: readonly [string, string][] }): JSX.Element {
  return (
    <dl className="crk-Facts">
      {props.rows
        .filter(([, value]) => value !== '')
        .map(([name, value]) => (
          <React.Fragment key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </React.Fragment>
        ))}
    </dl>
  );
}

function Rules(props: { rules: readonly string[] }): JSX.Element {
  return (
    <details className="crk-Rules">
      <summary>{plural(props.rules.length, 'rule')} held</summary>
      <ul>
        {props.rules.map(rule => {
          const [name, ...rest] = rule.split(': ');
          return (
            <li key={rule}>
              <b>{name}</b>
              {rest.length > 0 && ` ${rest.join(': ')}`}
            </li>
          );
        })}
      </ul>
    </details>
  );
}
