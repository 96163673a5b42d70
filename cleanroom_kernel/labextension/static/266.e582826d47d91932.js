"use strict";(self.rspackChunkcleanroom_kernel=self.rspackChunkcleanroom_kernel||[]).push([[266],{475(r,e,o){var t=o(601),a=o.n(t),n=o(314),i=(o.n(n))()(a());i.push([r.id,`/* All colours are the theme's own, so that light, dark and high contrast follow from it. */

.crk-Panel {
  --crk-gap: 8px;
  overflow-y: auto;
  background: var(--jp-layout-color1);
  color: var(--jp-ui-font-color1);
  font-size: var(--jp-ui-font-size1);
  line-height: 1.4;
}

.crk-Panel-header h2 {
  margin: 0;
  padding: 8px 12px;
  border-bottom: var(--jp-border-width) solid var(--jp-border-color2);
  font-size: var(--jp-ui-font-size1);
  font-weight: 600;
}

.crk-Section {
  border-bottom: var(--jp-border-width) solid var(--jp-border-color2);
}

.crk-Section > summary {
  padding: 6px 12px;
  cursor: pointer;
}

.crk-Section > summary h3 {
  display: inline;
  font-size: var(--jp-ui-font-size1);
  font-weight: 600;
}

.crk-Count {
  float: right;
  padding: 0 6px;
  border-radius: 8px;
  background: var(--jp-layout-color3);
  font-size: var(--jp-ui-font-size0);
}

.crk-Section-body {
  padding: 0 12px 12px;
}

.crk-Section-body p {
  margin: 4px 0 8px;
}

.crk-Quiet,
.crk-Values {
  color: var(--jp-ui-font-color2);
  font-size: var(--jp-ui-font-size0);
  font-weight: normal;
}

.crk-Values {
  overflow-wrap: anywhere;
}

.crk-Facts {
  display: grid;
  grid-template-columns: max-content 1fr;
  gap: 2px 12px;
  margin: 4px 0;
}

.crk-Facts dt {
  color: var(--jp-ui-font-color2);
}

.crk-Facts dd {
  margin: 0;
  overflow-wrap: anywhere;
}

.crk-Facts code {
  font-size: var(--jp-code-font-size);
}

.crk-Rules > summary {
  padding: 2px 0;
  cursor: pointer;
}

.crk-Rules ul {
  margin: 4px 0;
  padding: 0;
  list-style: none;
}

.crk-Rules li {
  padding: 1px 0;
  font-size: var(--jp-ui-font-size0);
}

.crk-Problem {
  margin: 4px 0 8px;
  padding: 6px 10px;
  border-left: 3px solid var(--jp-warn-color1);
  background: var(--jp-layout-color2);
}

.crk-Button {
  display: block;
  box-sizing: border-box;
  width: 100%;
  margin: 6px 0 0;
}

.crk-Search {
  box-sizing: border-box;
  width: 100%;
  height: 26px;
  margin: 2px 0 6px;
  font-size: var(--jp-ui-font-size1);
}

/* -- tables ------------------------------------------------------------------------------------------------------- */
.crk-Table > summary {
  padding: 3px 0;
  cursor: pointer;
}

.crk-Name {
  font-weight: 600;
}

.crk-Columns,
.crk-Releases {
  margin: 0;
  padding: 0;
  list-style: none;
}

.crk-Columns {
  margin: 4px 0 8px;
  padding-left: 12px;
  border-left: 2px solid var(--jp-border-color2);
}

.crk-Columns li {
  padding: 3px 0;
}

.crk-Insert,
.crk-Link {
  padding: 1px 3px;
  border: 0;
  border-radius: 2px;
  background: none;
  color: var(--jp-content-link-color);
  font-size: inherit;
  text-align: left;
  cursor: pointer;
}

.crk-Insert {
  margin-left: -3px;
  font-family: var(--jp-code-font-family);
  font-size: var(--jp-code-font-size);
  overflow-wrap: anywhere;
}

.crk-Insert:hover,
.crk-Link:hover {
  background: var(--jp-layout-color2);
}

.crk-Link {
  margin-left: -3px;
  text-decoration: underline;
}

/* -- releases ----------------------------------------------------------------------------------------------------- */
.crk-Releases > li {
  padding: 4px 0;
  border-top: var(--jp-border-width) solid var(--jp-border-color3);
}

.crk-Releases > li:first-child {
  border-top: 0;
}

.crk-Releases summary {
  cursor: pointer;
  overflow-wrap: anywhere;
}

.crk-Releases > li > details > summary {
  padding-left: 14px;
  text-indent: -14px; /* lines after the first stand beside the marker, not under it */
}

.crk-Releases summary > div {
  text-indent: 0;
}

.crk-Releases details > :not(summary) {
  margin-left: 14px;
}

.crk-Number {
  color: var(--jp-ui-font-color2);
  font-variant-numeric: tabular-nums;
}

.crk-Denied::before {
  content: '– ';
  color: var(--jp-warn-color0);
}

.crk-Denied[data-outcome='refused']::before {
  content: '✕ ';
  color: var(--jp-error-color1);
}

/* -- badges ------------------------------------------------------------------------------------------------------- */
.crk-Badge {
  min-height: 20px; /* taken when the cell starts, so that nothing moves when its answer comes */
  margin-left: calc(var(--jp-cell-prompt-width) + var(--jp-cell-collapser-width) + 4px);
  font-size: var(--jp-ui-font-size0);
  color: var(--jp-ui-font-color2);
}

.crk-Badge-button {
  padding: 1px 8px 1px 4px;
  border: 0;
  border-radius: 2px;
  background: none;
  color: inherit;
  font: inherit;
  line-height: 16px;
  cursor: pointer;
}

.crk-Badge-button:hover,
.crk-Badge-button[aria-expanded='true'] {
  background: var(--jp-layout-color2);
  color: var(--jp-ui-font-color1);
}

.crk-Badge-sign {
  display: inline-block;
  width: 14px;
  color: var(--jp-success-color0);
  font-weight: 700;
  text-align: center;
}

[data-outcome='withheld'] > .crk-Badge-sign {
  color: var(--jp-warn-color0);
}

[data-outcome='refused'] > .crk-Badge-sign {
  color: var(--jp-error-color1);
}

.crk-Badge-details {
  max-height: 320px;
  margin: 2px 0 8px;
  padding: 6px 10px;
  overflow-y: auto;
  border: var(--jp-border-width) solid var(--jp-border-color2);
  background: var(--jp-layout-color1);
  color: var(--jp-ui-font-color1);
  font-size: var(--jp-ui-font-size1);
}

.crk-Badge-details h4 {
  margin: 4px 0;
  font-size: inherit;
  font-weight: 600;
}

.crk-Badge-details p {
  margin: 4px 0;
}

.jp-Cell.crk-mod-found {
  outline: 2px solid var(--jp-brand-color1);
  outline-offset: -2px;
}

/* -- status bar, dialog ------------------------------------------------------------------------------------------- */
.crk-Status {
  height: 100%;
}

.crk-Status-button {
  display: flex;
  align-items: center;
  gap: 4px;
  height: 100%;
  padding: 0 6px;
  border: 0;
  background: none;
  color: inherit;
  font: inherit;
  cursor: pointer;
}

.crk-Status-button:hover {
  background: var(--jp-layout-color3);
}

.crk-Status-icon {
  display: inline-flex;
}

.crk-Connect {
  width: 480px;
  max-width: 80vw;
}

.crk-Connect label {
  display: block;
  margin-top: 8px;
}

.crk-Connect textarea,
.crk-Connect input {
  display: block;
  box-sizing: border-box;
  width: 100%;
  margin-top: 4px;
  font-family: var(--jp-code-font-family);
}

.crk-Panel :focus-visible,
.crk-Badge :focus-visible,
.crk-Status :focus-visible {
  outline: 2px solid var(--jp-brand-color1);
  outline-offset: 1px;
}

/* -- requests ----------------------------------------------------------------------------------------------------- */
.crk-Card {
  margin: 4px 0;
  padding: 4px 10px;
  border-left: 3px solid var(--jp-warn-color1);
}

.crk-Card[data-outcome='refused'] {
  border-left-color: var(--jp-error-color1);
}

.crk-Said {
  margin: 2px 0 8px;
  padding: 2px 8px;
  border-left: 2px solid var(--jp-border-color1);
  white-space: pre-wrap;
  overflow-wrap: anywhere;
}

.crk-State {
  padding: 0 6px;
  border: 1px solid var(--jp-border-color1);
  border-radius: 8px;
  font-size: var(--jp-ui-font-size0);
}

.crk-State[data-state='approved'] {
  border-color: var(--jp-success-color1);
}

.crk-State[data-state='returned'],
.crk-State[data-state='asked'] {
  border-color: var(--jp-warn-color1);
}

.crk-State[data-state='rejected'],
.crk-State[data-state='expired'] {
  border-color: var(--jp-error-color1);
}

.crk-Small {
  height: 24px;
  margin: 0 4px 4px 0;
  padding: 0 8px;
  font-size: var(--jp-ui-font-size1);
  line-height: 22px;
}

button.crk-Small.jp-mod-styled:disabled {
  background: none;
  color: var(--jp-ui-font-color2);
  opacity: 0.6;
}

/* -- the owner's panel -------------------------------------------------------------------------------------------- */
.crk-Owner {
  display: flex;
  flex-direction: column;
  height: 100%;
  overflow: hidden;
}

.crk-Owner-header {
  display: flex;
  align-items: baseline;
  gap: 12px;
  padding: 8px 16px;
}

.crk-Owner-header h2 {
  margin: 0;
  font-size: var(--jp-ui-font-size2);
  font-weight: 600;
  white-space: nowrap;
}

.crk-Owner-done {
  margin-left: auto;
}

.crk-Owner-failure {
  margin: 0 16px 8px;
}

.crk-Owner-body {
  flex: 1 1 auto;
  min-height: 0;
  padding: 4px 16px 16px;
  overflow: auto;
}

.crk-Owner-body h3 {
  margin: 14px 0 6px;
  font-size: var(--jp-ui-font-size1);
  font-weight: 600;
}

.crk-Owner-body h4 {
  margin: 10px 0 4px;
  font-size: var(--jp-ui-font-size1);
  font-weight: 600;
}

.crk-Owner-connect {
  max-width: 640px;
}

.crk-Owner-line,
.crk-Invite input,
.crk-Decide textarea,
.crk-Invitation textarea {
  display: block;
  box-sizing: border-box;
  width: 100%;
  margin: 4px 0 8px;
}

.crk-Invitation textarea,
.crk-Owner-line {
  font-family: var(--jp-code-font-family);
}

.crk-Invitation {
  display: block;
  margin-top: 8px;
}

.crk-Invite {
  max-width: 640px;
  margin-bottom: 12px;
}

.crk-Tabs {
  display: flex;
  flex: 0 0 auto;
  padding: 0 12px;
  border-bottom: var(--jp-border-width) solid var(--jp-border-color1);
}

.crk-Tab {
  padding: 6px 12px;
  border: 0;
  border-bottom: 2px solid transparent;
  background: none;
  color: var(--jp-ui-font-color1);
  font-size: var(--jp-ui-font-size1);
  cursor: pointer;
}

.crk-Tab[aria-selected='true'] {
  border-bottom-color: var(--jp-brand-color1);
  font-weight: 600;
}

.crk-Tab-count {
  font-weight: 600;
}

.crk-Grid {
  width: 100%;
  border-collapse: collapse;
  font-size: var(--jp-ui-font-size1);
}

.crk-Grid th,
.crk-Grid td {
  padding: 4px 10px 4px 0;
  border-bottom: var(--jp-border-width) solid var(--jp-border-color2);
  font-weight: normal;
  text-align: left;
  vertical-align: top;
  overflow-wrap: anywhere;
}

.crk-Grid thead th {
  color: var(--jp-ui-font-color2);
  font-size: var(--jp-ui-font-size0);
  white-space: nowrap;
}

.crk-Grid .crk-Amount {
  font-variant-numeric: tabular-nums;
  text-align: right;
}

.crk-Ledger td:nth-child(2) {
  white-space: nowrap;
}

.crk-Preview {
  width: auto;
}

.crk-Scroll {
  max-height: 360px;
  overflow: auto;
}

.crk-Actions {
  white-space: nowrap;
}

.crk-Code,
.crk-Pre {
  font-family: var(--jp-code-font-family);
  font-size: var(--jp-code-font-size);
}

.crk-Pre {
  max-height: 320px;
  margin: 4px 0;
  padding: 6px 10px;
  overflow: auto;
  background: var(--jp-layout-color2);
  white-space: pre-wrap;
}

.crk-Stream {
  margin: 0;
  padding: 0;
  list-style: none;
}

.crk-Stream li {
  display: grid;
  grid-template-columns: 64px minmax(80px, 140px) 1fr max-content;
  gap: 12px;
  padding: 3px 0;
  border-bottom: var(--jp-border-width) solid var(--jp-border-color3);
}

.crk-Stream-title {
  overflow-wrap: anywhere;
}

.crk-Toolbar {
  display: flex;
  flex-wrap: wrap;
  align-items: center;
  gap: 8px 12px;
  margin: 4px 0 8px;
}

.crk-Toolbar .crk-Search {
  width: 280px;
  margin: 0;
}

.crk-Toolbar .crk-Small {
  margin: 0;
}

.crk-Whole {
  color: var(--jp-success-color0);
}

.crk-Broken {
  color: var(--jp-error-color1);
}

.crk-Mark {
  margin-left: 6px;
  padding: 0 6px;
  border: 1px solid var(--jp-warn-color1);
  border-radius: 8px;
  font-size: var(--jp-ui-font-size0);
  white-space: nowrap;
}

.crk-RuleList,
.crk-Findings {
  margin: 4px 0;
  padding-left: 18px;
}

.crk-RuleList {
  color: var(--jp-ui-font-color2);
  font-size: var(--jp-ui-font-size0);
}

.crk-Split {
  display: grid;
  grid-template-columns: minmax(220px, 320px) 1fr;
  gap: 20px;
}

.crk-Queue {
  margin: 6px 0 0;
  padding: 0;
  list-style: none;
}

.crk-Queue-item {
  display: block;
  width: 100%;
  padding: 6px 8px;
  border: 0;
  border-bottom: var(--jp-border-width) solid var(--jp-border-color2);
  background: none;
  color: inherit;
  font: inherit;
  text-align: left;
  overflow-wrap: anywhere;
  cursor: pointer;
}

.crk-Queue-item:hover,
.crk-Queue-item[aria-current='true'] {
  background: var(--jp-layout-color2);
}

.crk-Split-detail article > h3 {
  margin-top: 0;
}

.crk-Check {
  display: flex;
  align-items: center;
  gap: 6px;
}

.crk-Hidden {
  position: absolute;
  width: 1px;
  height: 1px;
  overflow: hidden;
  clip-path: inset(50%);
  white-space: nowrap;
}

/* -- policy and rehearsal ----------------------------------------------------------------------------------------- */
.crk-Policy {
  grid-template-columns: minmax(320px, 1fr) minmax(360px, 2fr);
  align-items: start;
}

.crk-Policy-side {
  position: sticky;
  top: 0;
}

.crk-Setting {
  display: grid;
  grid-template-columns: 1fr 120px;
  gap: 2px 12px;
  align-items: center;
  padding: 6px 8px;
  border-left: 3px solid transparent;
}

.crk-Setting[data-changed] {
  border-left-color: var(--jp-brand-color1);
  background: var(--jp-layout-color2);
}

.crk-Setting p {
  grid-column: 1 / -1;
  margin: 0;
}

.crk-Setting input:not([type='checkbox']),
.crk-Setting select {
  box-sizing: border-box;
  width: 100%;
  height: 26px;
  background: var(--jp-input-background);
  color: var(--jp-ui-font-color0);
  font-size: var(--jp-ui-font-size1);
}

.crk-Setting input[type='checkbox'] {
  justify-self: start;
}

.crk-Setting [aria-invalid='true'] {
  border-color: var(--jp-error-color1);
}

.crk-Setting-wrong {
  color: var(--jp-error-color1);
  font-weight: 600;
}

.crk-Diff {
  margin: 0 0 8px;
  padding: 0;
  list-style: none;
}

.crk-Diff del {
  color: var(--jp-ui-font-color2);
}

.crk-Diff ins {
  font-weight: 600;
  text-decoration: none;
}

.crk-Chips {
  display: flex;
  flex-wrap: wrap;
  gap: 4px 6px;
  margin: 4px 0 8px;
}

.crk-Chip {
  padding: 2px 10px;
  border: 1px solid var(--jp-border-color1);
  border-radius: 10px;
  background: none;
  color: var(--jp-ui-font-color1);
  font: inherit;
  cursor: pointer;
}

.crk-Chip[aria-pressed='true'] {
  border-color: var(--jp-brand-color1);
  background: var(--jp-layout-color3);
  font-weight: 600;
}

.crk-Chip-count {
  font-variant-numeric: tabular-nums;
}

.crk-Change {
  margin-right: 4px;
  padding: 0 6px;
  border: 1px solid var(--jp-border-color1);
  border-radius: 8px;
  font-size: var(--jp-ui-font-size0);
  white-space: nowrap;
}

.crk-Change[data-change='passes'] {
  border-color: var(--jp-success-color1);
}

.crk-Change[data-change='fails'] {
  border-color: var(--jp-error-color1);
}

.crk-Change[data-change='changes'] {
  border-color: var(--jp-warn-color1);
}

/* -- the ledger's picture, budgets -------------------------------------------------------------------------------- */
.crk-Timeline {
  margin: 0 0 10px;
}

.crk-Timeline svg {
  display: block;
  width: 100%;
  height: 56px;
  border-bottom: var(--jp-border-width) solid var(--jp-border-color1);
}

.crk-Timeline g {
  cursor: pointer;
}

.crk-Timeline-place {
  fill: transparent;
}

.crk-Timeline g:hover .crk-Timeline-place {
  fill: var(--jp-layout-color2);
}

.crk-Timeline-bar {
  fill: var(--jp-brand-color1);
}

.crk-Timeline-bar[data-chosen] {
  fill: var(--jp-warn-color1);
}

.crk-Timeline figcaption {
  display: flex;
  justify-content: space-between;
}

.crk-Toolbar select.crk-Choice.jp-mod-styled {
  flex: 0 1 auto;
  width: auto;
  height: 30px;
  padding-right: 24px;
  background: var(--jp-input-background);
  color: var(--jp-ui-font-color0);
  font-size: var(--jp-ui-font-size1);
}

.crk-Ledger .crk-Link {
  color: inherit;
  text-decoration: none;
}

.crk-Ledger .crk-Link::before {
  content: '▸ ';
  content: '▸ ' / ''; /* no word of its own to a screen reader, which hears that it can be expanded */
  color: var(--jp-ui-font-color2);
}

.crk-Ledger .crk-Link[aria-expanded='true']::before {
  content: '▾ ';
  content: '▾ ' / '';
}

.crk-Evidence > td {
  padding: 4px 16px 12px;
  background: var(--jp-layout-color2);
}

.crk-Evidence .crk-Pre {
  background: var(--jp-layout-color1);
}

.crk-Used {
  margin: 6px 0;
}

.crk-Used-bar {
  height: 6px;
  margin-top: 2px;
  border-radius: 3px;
  background: var(--jp-layout-color3);
  overflow: hidden;
}

.crk-Used-bar > div {
  height: 100%;
  background: var(--jp-brand-color1);
}

.crk-Used[data-level='low'] .crk-Used-bar > div {
  background: var(--jp-warn-color1);
}

.crk-Used[data-level='spent'] .crk-Used-bar > div {
  background: var(--jp-error-color1);
}
`,""]),o.d(e,{},{A:i})},646(r,e,o){var t=o(601),a=o.n(t),n=o(314),i=o.n(n),c=o(475),p=i()(a());p.i(c.A),p.push([r.id,`
`,""]),o.d(e,{},{A:p})},314(r){r.exports=function(r){var e=[];return e.toString=function(){return this.map(function(e){var o="",t=void 0!==e[5];return e[4]&&(o+="@supports (".concat(e[4],") {")),e[2]&&(o+="@media ".concat(e[2]," {")),t&&(o+="@layer".concat(e[5].length>0?" ".concat(e[5]):""," {")),o+=r(e),t&&(o+="}"),e[2]&&(o+="}"),e[4]&&(o+="}"),o}).join("")},e.i=function(r,o,t,a,n){"string"==typeof r&&(r=[[null,r,void 0]]);var i={};if(t)for(var c=0;c<this.length;c++){var p=this[c][0];null!=p&&(i[p]=!0)}for(var l=0;l<r.length;l++){var d=[].concat(r[l]);t&&i[d[0]]||(void 0!==n&&(void 0===d[5]||(d[1]="@layer".concat(d[5].length>0?" ".concat(d[5]):""," {").concat(d[1],"}")),d[5]=n),o&&(d[2]&&(d[1]="@media ".concat(d[2]," {").concat(d[1],"}")),d[2]=o),a&&(d[4]?(d[1]="@supports (".concat(d[4],") {").concat(d[1],"}"),d[4]=a):d[4]="".concat(a)),e.push(d))}},e}},601(r){r.exports=function(r){return r[1]}},665(r,e,o){o.r(e);var t=o(72),a=o.n(t),n=o(825),i=o.n(n),c=o(659),p=o.n(c),l=o(56),d=o.n(l),s=o(540),u=o.n(s),f=o(113),g=o.n(f),k=o(646),x={};x.styleTagTransform=g(),x.setAttributes=d(),x.insert=p().bind(null,"head"),x.domAPI=i(),x.insertStyleElement=u(),a()(k.A,x);let h=k.A&&k.A.locals?k.A.locals:void 0;o.d(e,{},{default:h})},72(r){var e=[];function o(r){for(var o=-1,t=0;t<e.length;t++)if(e[t].identifier===r){o=t;break}return o}function t(r,t){for(var a={},n=[],i=0;i<r.length;i++){var c=r[i],p=t.base?c[0]+t.base:c[0],l=a[p]||0,d="".concat(p," ").concat(l);a[p]=l+1;var s=o(d),u={css:c[1],media:c[2],sourceMap:c[3],supports:c[4],layer:c[5]};if(-1!==s)e[s].references++,e[s].updater(u);else{var f=function(r,e){var o=e.domAPI(e);return o.update(r),function(e){e?(e.css!==r.css||e.media!==r.media||e.sourceMap!==r.sourceMap||e.supports!==r.supports||e.layer!==r.layer)&&o.update(r=e):o.remove()}}(u,t);t.byIndex=i,e.splice(i,0,{identifier:d,updater:f,references:1})}n.push(d)}return n}r.exports=function(r,a){var n=t(r=r||[],a=a||{});return function(r){r=r||[];for(var i=0;i<n.length;i++){var c=o(n[i]);e[c].references--}for(var p=t(r,a),l=0;l<n.length;l++){var d=o(n[l]);0===e[d].references&&(e[d].updater(),e.splice(d,1))}n=p}}},659(r){var e={};r.exports=function(r,o){var t=function(r){if(void 0===e[r]){var o=document.querySelector(r);if(window.HTMLIFrameElement&&o instanceof window.HTMLIFrameElement)try{o=o.contentDocument.head}catch(r){o=null}e[r]=o}return e[r]}(r);if(!t)throw Error("Couldn't find a style target. This probably means that the value for the 'insert' parameter is invalid.");t.appendChild(o)}},540(r){r.exports=function(r){var e=document.createElement("style");return r.setAttributes(e,r.attributes),r.insert(e,r.options),e}},56(r,e,o){r.exports=function(r){var e=o.nc;e&&r.setAttribute("nonce",e)}},825(r){r.exports=function(r){if("u"<typeof document)return{update:function(){},remove:function(){}};var e=r.insertStyleElement(r);return{update:function(o){var t,a,n;t="",o.supports&&(t+="@supports (".concat(o.supports,") {")),o.media&&(t+="@media ".concat(o.media," {")),(a=void 0!==o.layer)&&(t+="@layer".concat(o.layer.length>0?" ".concat(o.layer):""," {")),t+=o.css,a&&(t+="}"),o.media&&(t+="}"),o.supports&&(t+="}"),(n=o.sourceMap)&&"u">typeof btoa&&(t+="\n/*# sourceMappingURL=data:application/json;base64,".concat(btoa(unescape(encodeURIComponent(JSON.stringify(n))))," */")),r.styleTagTransform(t,e,r.options)},remove:function(){var r;null===(r=e).parentNode||r.parentNode.removeChild(r)}}}},113(r){r.exports=function(r,e){if(e.styleSheet)e.styleSheet.cssText=r;else{for(;e.firstChild;)e.removeChild(e.firstChild);e.appendChild(document.createTextNode(r))}}}}]);