/**
 * Notebooks: listens to what passes between a notebook and its kernel, and keeps the badges under its cells.
 *
 * Promise: a badge comes from the metadata of an execute reply, which the room's server writes, or from what such a
 * reply left in the notebook's file, and says which of the two. Nothing that a cell prints can make one.
 */
import { CodeCell } from '@jupyterlab/cells';
import { INotebookTracker, NotebookActions, NotebookPanel } from '@jupyterlab/notebook';
import { Kernel, KernelMessage } from '@jupyterlab/services';
import { PanelLayout } from '@lumino/widgets';

import { Badge } from './badge';
import { askCode } from './code';
import { KEY, kept, ofReply } from './findings';
import { ICleanRoom, INotebooks } from './tokens';

const BLINK_MS = 1500;

export class Notebooks implements INotebooks {
  constructor(
    private readonly tracker: INotebookTracker,
    private readonly room: ICleanRoom
  ) {
    tracker.forEach(panel => this._add(panel));
    tracker.widgetAdded.connect((_, panel) => this._add(panel));
  }

  has(request: string): boolean {
    return this._find(request) !== undefined;
  }

  jump(request: string): void {
    const notebook = this.tracker.currentWidget?.content;
    const cell = this._find(request);
    if (!notebook || !cell) {
      return;
    }
    const index = notebook.widgets.indexOf(cell);
    notebook.activeCellIndex = index;
    notebook.deselectAll();
    void notebook.scrollToItem(index, 'center').then(() => {
      notebook.activate();
      cell.addClass('crk-mod-found');
      setTimeout(() => cell.removeClass('crk-mod-found'), BLINK_MS);
    });
  }

  insert(code: string): void {
    const panel = this.tracker.currentWidget;
    if (!panel) {
      return;
    }
    const notebook = panel.content;
    if (!notebook.activeCell || notebook.activeCell.model.type !== 'code') {
      NotebookActions.insertBelow(notebook);
      NotebookActions.changeCellType(notebook, 'code');
    }
    notebook.activeCell?.editor?.replaceSelection?.(code);
    panel.activate();
    notebook.mode = 'edit';
    notebook.activeCell?.editor?.focus();
  }

  ask(request: string, question: string): void {
    const panel = this.tracker.currentWidget;
    const cell = this._find(request);
    if (!panel || !cell) {
      return;
    }
    const notebook = panel.content;
    notebook.activeCellIndex = notebook.widgets.indexOf(cell);
    notebook.deselectAll();
    NotebookActions.insertBelow(notebook);
    const made = notebook.activeCell;
    const code = askCode(question);
    made?.model.sharedModel.setSource(code);
    panel.activate();
    notebook.mode = 'edit';
    void made?.ready.then(() => {
      made.editor?.setCursorPosition({ line: 0, column: code.length - 2 }); // between the quotes, for the reason
      made.editor?.focus();
    });
  }

  toggleReceipt(): boolean {
    const cell = this.tracker.activeCell;
    const badge = cell instanceof CodeCell ? this._badges.get(cell) : undefined;
    return badge?.toggle() ?? false;
  }

  private _find(request: string): CodeCell | undefined {
    const id = this._cellOf.get(request);
    return this.tracker.currentWidget?.content.widgets.find(
      (cell): cell is CodeCell =>
        cell instanceof CodeCell && (cell.model.id === id || badgeRequest(cell) === request)
    );
  }

  // -- one notebook -------------------------------------------------------------------------------------------------
  private _add(panel: NotebookPanel): void {
    let kernel: Kernel.IKernelConnection | null = null;
    const listen = (sender: Kernel.IKernelConnection, args: Kernel.IAnyMessageArgs) => this._heard(panel, sender, args);
    const attach = () => {
      kernel?.anyMessage.disconnect(listen);
      kernel = panel.sessionContext.session?.kernel ?? null;
      kernel?.anyMessage.connect(listen);
    };
    panel.sessionContext.kernelChanged.connect(attach);
    attach();
    void panel.context.ready.then(() => {
      this._restore(panel);
      panel.content.model?.cells.changed.connect(() => requestAnimationFrame(() => this._restore(panel)));
    });
  }

  private _heard(panel: NotebookPanel, kernel: Kernel.IKernelConnection, args: Kernel.IAnyMessageArgs): void {
    const message = args.msg as KernelMessage.IMessage;
    if (args.direction === 'send' && message.header.msg_type === 'execute_request') {
      const id = message.metadata.cellId;
      if (typeof id === 'string') {
        this._cellOf.set(message.header.msg_id, id);
        this._started(panel, id);
      }
    } else if (args.direction === 'recv' && message.header.msg_type === 'execute_reply') {
      this._replied(panel, kernel, message as KernelMessage.IExecuteReplyMsg);
    }
  }

  /** Room for the badge is taken when the cell starts, so that nothing moves when its answer comes. */
  private _started(panel: NotebookPanel, id: string): void {
    const cell = find(panel, id);
    const isOurs = this.room.isActive && panel === this.tracker.currentWidget;
    if (cell && (isOurs || this._badges.has(cell))) {
      this._badge(cell).clear();
    }
  }

  private _replied(panel: NotebookPanel, kernel: Kernel.IKernelConnection, reply: KernelMessage.IExecuteReplyMsg): void {
    const request = (reply.parent_header as KernelMessage.IHeader).msg_id;
    const findings = ofReply(request, reply.header.date, reply.metadata);
    const id = this._cellOf.get(request);
    const cell = id === undefined ? undefined : find(panel, id);
    if (this.room.isActive) {
      this.room.soon(); // the cell may have asked the owner for something
    }
    if (findings !== null) {
      this.room.heard(kernel.id, findings);
      cell?.model.setMetadata(KEY, kept(findings));
    } else {
      this._cellOf.delete(request);
      cell?.model.deleteMetadata(KEY);
    }
    if (cell && (findings !== null || this._badges.has(cell))) {
      this._badge(cell).say(findings);
    }
  }

  /** Badges that the file remembers. */
  private _restore(panel: NotebookPanel): void {
    for (const cell of panel.content.widgets) {
      if (cell instanceof CodeCell && cell.model.getMetadata(KEY) !== undefined) {
        this._badge(cell);
      }
    }
  }

  private _badge(cell: CodeCell): Badge {
    let badge = this._badges.get(cell);
    if (badge === undefined) {
      badge = new Badge(cell.model, (request, question) => this.ask(request, question));
      this._badges.set(cell, badge);
      void this._attach(cell, badge);
    }
    return badge;
  }

  /** A cell far down has no parts yet; the badge comes after them. */
  private async _attach(cell: CodeCell, badge: Badge): Promise<void> {
    await cell.ready;
    if (!cell.isDisposed) {
      (cell.layout as PanelLayout).addWidget(badge);
    }
  }

  private readonly _cellOf = new Map<string, string>();
  private readonly _badges = new WeakMap<CodeCell, Badge>();
}

function find(panel: NotebookPanel, id: string): CodeCell | undefined {
  return panel.content.widgets.find(
    (cell): cell is CodeCell => cell instanceof CodeCell && cell.model.id === id
  );
}

function badgeRequest(cell: CodeCell): unknown {
  return (cell.model.getMetadata(KEY) as { request?: unknown } | undefined)?.request;
}
