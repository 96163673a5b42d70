/**
 * What a badge shows, and its receipts when it is open.
 */
import * as React from 'react';

import { IFindings } from './findings';
import { ReceiptView } from './receipt';
import { explained, outcome, Outcome, summary } from './words';

const SIGNS: { [outcome in Outcome]: string } = { released: '✓', withheld: '–', refused: '✕' };

export interface IBadgeProps {
  readonly findings: IFindings;
  /** Read from the notebook's file, not heard from the server in this sitting. */
  readonly fromFile: boolean;
  readonly isOpen: boolean;
  readonly onToggle: () => void;
}

export function BadgeView(props: IBadgeProps): JSX.Element {
  const { findings, fromFile, isOpen, onToggle } = props;
  const words = summary(findings);
  const worst = outcome(findings);
  return (
    <>
      <button
        className="crk-Badge-button"
        data-outcome={worst}
        aria-expanded={isOpen}
        aria-label={`Clean Room: ${words}${fromFile ? ', as saved in this notebook' : ''}. Receipt`}
        title={fromFile ? 'As saved in this notebook. Run the cell to hear it from the room.' : 'Show the receipt'}
        onClick={onToggle}
      >
        <span aria-hidden="true" className="crk-Badge-sign">
          {SIGNS[worst]}
        </span>
        {words}
        {fromFile && <span className="crk-Badge-saved"> (saved)</span>}
      </button>
      {isOpen && <Details findings={findings} />}
    </>
  );
}

function Details(props: { findings: IFindings }): JSX.Element {
  const { denials, receipts, fitted, released } = props.findings;
  const more = fitted + released - receipts.length;
  return (
    <div className="crk-Badge-details">
      {denials.map(denial => (
        <p key={`${denial.kind} ${denial.rule}`}>{explained(denial)}</p>
      ))}
      {receipts.map(receipt => (
        <section key={receipt.number} aria-label={`Receipt ${receipt.number}`}>
          <h4>
            <span className="crk-Number">#{receipt.number}</span> {receipt.title}
          </h4>
          <ReceiptView receipt={receipt} />
        </section>
      ))}
      {more > 0 && <p>{more} earlier receipts of this cell are in the Clean Room panel.</p>}
    </div>
  );
}
