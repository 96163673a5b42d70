/**
 * Badge: a quiet line under a cell that says what happened to its questions, and opens their receipts.
 */
import { ICodeCellModel } from '@jupyterlab/cells';
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

import { BadgeView } from './badgeview';
import { IFindings, KEY, ofCell } from './findings';

export class Badge extends ReactWidget {
  constructor(
    private readonly model: ICodeCellModel,
    private readonly ask: (request: string, question: string) => void
  ) {
    super();
    this.addClass('crk-Badge');
    this.node.dataset.lmSuppressShortcuts = 'true'; // Enter is for the button here, not for the notebook
    model.stateChanged.connect(this.update, this);
    model.metadataChanged.connect(this.update, this);
  }

  /** The cell runs again. */
  clear(): void {
    this._said = null;
    this._isOpen = false;
    this._isWaiting = true;
    this.update();
  }

  /** What the server has just said; null when the cell asked nothing. */
  say(findings: IFindings | null): void {
    this._said = findings;
    this._isWaiting = false;
    this.update();
  }

  toggle(): boolean {
    if (this._findings === null) {
      return false;
    }
    this._isOpen = !this._isOpen;
    this.update();
    return true;
  }

  render(): JSX.Element {
    const findings = this._findings;
    if (findings === null) {
      return <></>;
    }
    return (
      <BadgeView
        findings={findings}
        fromFile={this._said === null}
        isOpen={this._isOpen}
        onToggle={() => this.toggle()}
        onAsk={question => this.ask(findings.request, question)}
      />
    );
  }

  /** Of a cell whose outputs were cleared, nothing is left to vouch for. */
  private get _findings(): IFindings | null {
    if (this._isWaiting || this.model.executionCount === null) {
      return null;
    }
    return this._said ?? ofCell(this.model.getMetadata(KEY));
  }

  private _said: IFindings | null = null;
  private _isOpen = false;
  private _isWaiting = false;
}
