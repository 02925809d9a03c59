package training.lora.trainer.page;

import java.nio.charset.StandardCharsets;
import java.util.Base64;

/** An HTML page of sections, in light colours or dark as the reader's machine has it. */
public final class Page {
    private static final String STYLE = """
            :root{color-scheme:light dark;--paper:#fbfaf7;--card:#fff;--ink:#23211d;--dim:#6d675e;--line:#dcd6cb;--mark:#b4541a;
            --c0:#b4541a;--c1:#2f6f8f;--c2:#5c7f2a;--c3:#8d4a86;--c4:#a5871c;--c5:#4a4f9c;--c6:#a33a3a;--c7:#3c8072}
            @media(prefers-color-scheme:dark){:root{--paper:#191816;--card:#232120;--ink:#e8e3da;--dim:#a39b8e;--line:#3d3935;
            --mark:#e88b4e;--c0:#e88b4e;--c1:#6fb3d3;--c2:#a3c969;--c3:#cf8fc8;--c4:#d9bd57;--c5:#9096e0;--c6:#e08080;--c7:#79c4b4}}
            *{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);
            font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
            main{max-width:1200px;margin:0 auto;padding:16px}h1{font-size:1.5rem;margin:.2em 0}h2{font-size:1.15rem;margin:2em 0 .5em}
            h3{font-size:1rem;margin:1.2em 0 .4em}p{max-width:75ch;margin:.4em 0}.dim{color:var(--dim)}.mark{color:var(--mark);font-weight:600}
            .scroll{overflow-x:auto;max-width:100%}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
            th,td{padding:4px 10px 4px 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--line);white-space:nowrap}
            th{font-weight:600;font-size:.85rem}td small{color:var(--dim);display:block;font-size:.75rem}
            tr.best td{font-weight:600}.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,330px),1fr));gap:12px}
            figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:6px;padding:8px}
            figcaption{font-size:.85rem;font-weight:600;margin-bottom:2px}svg{display:block;width:100%;height:auto}
            svg text{fill:var(--dim);font-size:11px}svg .grid{stroke:var(--line);stroke-width:1}
            .legend{display:flex;flex-wrap:wrap;gap:2px 12px;font-size:.78rem;color:var(--dim);margin:4px 0 0}
            .legend i{display:inline-block;width:14px;height:3px;vertical-align:middle;margin-right:4px}
            .pictures{display:flex;flex-wrap:wrap;gap:6px}img{display:block;border-radius:3px;image-rendering:auto;background:var(--line)}
            .pictures img{width:72px;height:auto}td.cell{padding:3px}td.cell img{width:clamp(84px,12vw,150px);height:auto}
            td.prompt,th.prompt{white-space:normal;min-width:110px;max-width:220px;font-size:.85rem;position:sticky;left:0;background:var(--paper)}
            .pairs{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,250px),1fr));gap:12px}
            .pair{display:grid;grid-template-columns:1fr 1fr;gap:6px}.pair img{width:100%;height:auto}
            .pair p{grid-column:1/3;font-size:.8rem;margin:0}dl{margin:0;max-width:85ch}dt{font-weight:600;font-size:.88rem;margin-top:.6em}
            dd{margin:0;font-size:.88rem;color:var(--dim)}details{margin:1em 0}summary{cursor:pointer;font-weight:600}
            """;

    private final StringBuilder body = new StringBuilder();
    private final String title;

    public Page(String title) {
        this.title = title;
        body.append("<h1>").append(escape(title)).append("</h1>\n");
    }

    /** Adds a section; what it holds is HTML. */
    public Page section(String heading, String html) {
        body.append("<section><h2>")
                .append(escape(heading))
                .append("</h2>\n")
                .append(html)
                .append("</section>\n");
        return this;
    }

    /** Adds HTML. */
    public Page add(String html) {
        body.append(html);
        return this;
    }

    /** The whole page. */
    public String html() {
        return """
                <!doctype html>
                <html lang="en">
                <head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
                <meta name="referrer" content="no-referrer">
                <meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
                <title>%s</title>
                <style>
                %s</style></head>
                <body><main>
                %s</main></body></html>
                """.formatted(escape(title), STYLE, body);
    }

    /** Text as HTML. */
    public static String escape(String text) {
        return text.replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("\"", "&quot;")
                .replace("'", "&#39;");
    }

    /** An image that is in the page itself. */
    public static String image(byte[] jpeg, String alt) {
        String data = new String(Base64.getEncoder().encode(jpeg), StandardCharsets.ISO_8859_1);
        return "<img alt=\"%s\" src=\"data:image/jpeg;base64,%s\">".formatted(escape(alt), data);
    }
}
