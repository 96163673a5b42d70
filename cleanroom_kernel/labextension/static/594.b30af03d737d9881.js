"use strict";(self.rspackChunkcleanroom_kernel=self.rspackChunkcleanroom_kernel||[]).push([[594],{338(r,e,o){var t=o(380),n=o.n(t),a=o(381),i=(o.n(a))()(n());i.push([r.id,`/* All colours are the theme's own, so that light, dark and high contrast follow from it. */

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
`,""]),o.d(e,{},{A:i})},741(r,e,o){var t=o(380),n=o.n(t),a=o(381),i=o.n(a),c=o(338),s=i()(n());s.i(c.A),s.push([r.id,`
`,""]),o.d(e,{},{A:s})},381(r){r.exports=function(r){var e=[];return e.toString=function(){return this.map(function(e){var o="",t=void 0!==e[5];return e[4]&&(o+="@supports (".concat(e[4],") {")),e[2]&&(o+="@media ".concat(e[2]," {")),t&&(o+="@layer".concat(e[5].length>0?" ".concat(e[5]):""," {")),o+=r(e),t&&(o+="}"),e[2]&&(o+="}"),e[4]&&(o+="}"),o}).join("")},e.i=function(r,o,t,n,a){"string"==typeof r&&(r=[[null,r,void 0]]);var i={};if(t)for(var c=0;c<this.length;c++){var s=this[c][0];null!=s&&(i[s]=!0)}for(var l=0;l<r.length;l++){var p=[].concat(r[l]);t&&i[p[0]]||(void 0!==a&&(void 0===p[5]||(p[1]="@layer".concat(p[5].length>0?" ".concat(p[5]):""," {").concat(p[1],"}")),p[5]=a),o&&(p[2]&&(p[1]="@media ".concat(p[2]," {").concat(p[1],"}")),p[2]=o),n&&(p[4]?(p[1]="@supports (".concat(p[4],") {").concat(p[1],"}"),p[4]=n):p[4]="".concat(n)),e.push(p))}},e}},380(r){r.exports=function(r){return r[1]}},289(r,e,o){o.r(e);var t=o(261),n=o.n(t),a=o(186),i=o.n(a),c=o(378),s=o.n(c),l=o(277),p=o.n(l),d=o(497),u=o.n(d),f=o(62),v=o.n(f),g=o(741),h={};h.styleTagTransform=v(),h.setAttributes=p(),h.insert=s().bind(null,"head"),h.domAPI=i(),h.insertStyleElement=u(),n()(g.A,h);let m=g.A&&g.A.locals?g.A.locals:void 0;o.d(e,{},{default:m})},261(r){var e=[];function o(r){for(var o=-1,t=0;t<e.length;t++)if(e[t].identifier===r){o=t;break}return o}function t(r,t){for(var n={},a=[],i=0;i<r.length;i++){var c=r[i],s=t.base?c[0]+t.base:c[0],l=n[s]||0,p="".concat(s," ").concat(l);n[s]=l+1;var d=o(p),u={css:c[1],media:c[2],sourceMap:c[3],supports:c[4],layer:c[5]};if(-1!==d)e[d].references++,e[d].updater(u);else{var f=function(r,e){var o=e.domAPI(e);return o.update(r),function(e){e?(e.css!==r.css||e.media!==r.media||e.sourceMap!==r.sourceMap||e.supports!==r.supports||e.layer!==r.layer)&&o.update(r=e):o.remove()}}(u,t);t.byIndex=i,e.splice(i,0,{identifier:p,updater:f,references:1})}a.push(p)}return a}r.exports=function(r,n){var a=t(r=r||[],n=n||{});return function(r){r=r||[];for(var i=0;i<a.length;i++){var c=o(a[i]);e[c].references--}for(var s=t(r,n),l=0;l<a.length;l++){var p=o(a[l]);0===e[p].references&&(e[p].updater(),e.splice(p,1))}a=s}}},378(r){var e={};r.exports=function(r,o){var t=function(r){if(void 0===e[r]){var o=document.querySelector(r);if(window.HTMLIFrameElement&&o instanceof window.HTMLIFrameElement)try{o=o.contentDocument.head}catch(r){o=null}e[r]=o}return e[r]}(r);if(!t)throw Error("Couldn't find a style target. This probably means that the value for the 'insert' parameter is invalid.");t.appendChild(o)}},497(r){r.exports=function(r){var e=document.createElement("style");return r.setAttributes(e,r.attributes),r.insert(e,r.options),e}},277(r,e,o){r.exports=function(r){var e=o.nc;e&&r.setAttribute("nonce",e)}},186(r){r.exports=function(r){if("u"<typeof document)return{update:function(){},remove:function(){}};var e=r.insertStyleElement(r);return{update:function(o){var t,n,a;t="",o.supports&&(t+="@supports (".concat(o.supports,") {")),o.media&&(t+="@media ".concat(o.media," {")),(n=void 0!==o.layer)&&(t+="@layer".concat(o.layer.length>0?" ".concat(o.layer):""," {")),t+=o.css,n&&(t+="}"),o.media&&(t+="}"),o.supports&&(t+="}"),(a=o.sourceMap)&&"u">typeof btoa&&(t+="\n/*# sourceMappingURL=data:application/json;base64,".concat(btoa(unescape(encodeURIComponent(JSON.stringify(a))))," */")),r.styleTagTransform(t,e,r.options)},remove:function(){var r;null===(r=e).parentNode||r.parentNode.removeChild(r)}}}},62(r){r.exports=function(r,e){if(e.styleSheet)e.styleSheet.cssText=r;else{for(;e.firstChild;)e.removeChild(e.firstChild);e.appendChild(document.createTextNode(r))}}}}]);