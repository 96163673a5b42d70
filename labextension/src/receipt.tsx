/**
 * Receipt: one release in full, in the panel and under a cell.
 */
import * as React from 'react';

import { Receipt } from './protocol';
import { clock, kindOf } from './words';

export function ReceiptView(props: { receipt: Receipt }): JSX.Element {
  const { receipt } = props;
  const rows: [string, React.ReactNode][] = [
    ['Kind', kindOf(receipt)],
    ['Units', receipt.units],
    ['Numbers', `${receipt.cells - receipt.suppressed} shown, ${receipt.suppressed} suppressed`],
    ['Precision', receipt.precision],
    ['Rules', <Rules key="rules" rules={receipt.rules} />],
    ['Policy', receipt.policy],
    ['Expert', receipt.expert],
    ['Time', clock(receipt.time)],
    ['Chain', <code key="chain">{receipt.chain.slice(0, 16)}</code>]
  ];
  return (
    <dl className="crk-Facts">
      {rows
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
    <ul className="crk-Rules">
      {props.rules.map(rule => {
        const [name, ...rest] = rule.split(': ');
        return (
          <li key={rule}>
            <b>{name}</b>
            {rest.length > 0 && `: ${rest.join(': ')}`}
          </li>
        );
      })}
    </ul>
  );
}
