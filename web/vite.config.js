// Builds report.html to one file: script and style stand inside, and a content security policy forbids everything else.
import { createHash } from 'node:crypto';
import { defineConfig } from 'vite';

/** Puts every script and style of the bundle into the page; the script's hash is the only one that may run. */
function oneFile() {
  return {
    name: 'one-file',
    enforce: 'post',
    generateBundle(_options, bundle) {
      const files = Object.values(bundle);
      const page = files.find((file) => file.fileName.endsWith('.html'));
      const script = files.filter((file) => file.type === 'chunk').map((chunk) => chunk.code.trim()).join('\n');
      const style = files.filter((file) => file.fileName.endsWith('.css')).map((css) => String(css.source).trim()).join('\n');
      if (/<\/script/i.test(script) || /<\/style/i.test(style)) throw new Error('the bundle would end its own element');
      const hash = createHash('sha256').update(script).digest('base64');
      const policy = `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`;
      page.source = String(page.source)
        .replace(/\s*<script type="module"[^>]*><\/script>/, '')
        .replace(/\s*<link rel="stylesheet"[^>]*>/, '')
        .replace('<meta charset="utf-8">', (meta) => `${meta}\n<meta http-equiv="Content-Security-Policy" content="${policy}">`)
        .replace('</head>', () => `<style>${style}</style>\n</head>`)
        .replace('</body>', () => `<script type="module">${script}</script>\n</body>`);
      for (const file of files) {
        if (file !== page) delete bundle[file.fileName];
      }
    },
  };
}

export default defineConfig({
  base: './',
  build: {
    target: 'es2020',
    modulePreload: false,
    cssCodeSplit: false,
    assetsInlineLimit: 0,
    rollupOptions: { input: 'report.html' },
  },
  plugins: [oneFile()],
});
