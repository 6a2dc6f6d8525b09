// Draws the page's diagrams in the colors of the chosen theme, and again after a change of the theme.

(function () {
  // A wide diagram scrolls instead of becoming too small to read.
  const SMALLEST = 0.6;
  const root = document.documentElement;
  const diagrams = [...document.querySelectorAll('pre.mermaid')].map((element) => ({ element, text: element.textContent }));
  const theme = () => (/\b(coal|navy|ayu)\b/.test(root.className) ? 'dark' : 'default');
  let drawn;

  async function draw() {
    if (theme() === drawn) return;
    drawn = theme();
    window.mermaid.initialize({ startOnLoad: false, theme: drawn, gantt: { useWidth: 700 } });
    for (const { element, text } of diagrams) {
      element.removeAttribute('data-processed');
      element.textContent = text;
    }
    await window.mermaid.run({ nodes: diagrams.map(({ element }) => element) });
    for (const { style } of document.querySelectorAll('pre.mermaid > svg')) style.minWidth = `calc(${SMALLEST} * ${style.maxWidth})`;
  }

  if (diagrams.length > 0) {
    // A large file, which pages without diagrams don't need. mdBook sets path_to_root.
    const script = document.createElement('script');
    script.src = `${path_to_root}mermaid.min.js`;
    script.onload = () => {
      draw();
      new MutationObserver(draw).observe(root, { attributeFilter: ['class'] });
    };
    document.body.append(script);
  }
})();
