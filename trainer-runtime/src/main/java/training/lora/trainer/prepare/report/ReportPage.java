package training.lora.trainer.prepare.report;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.opencv.core.Core;
import org.opencv.core.Mat;
import org.opencv.imgproc.Imgproc;
import training.lora.trainer.dataset.Variation;
import training.lora.trainer.page.Page;
import training.lora.trainer.prepare.report.DataReport.ReportedPicture;
import training.lora.trainer.sample.Picture;

/** The report as one page that needs nothing else: light and dark, and readable at a phone's width. */
final class ReportPage {
    private static final int THUMBNAIL = 160;

    /** What is left of the light where nothing is learned. */
    private static final double DARKEST = 0.2;

    private static final String STYLE = """
            :root { color-scheme: light dark; --line: #d8dade; --soft: #f3f4f6; --bar: #4872c9; --warn: #fff4d6; --edge: #d9a400; }
            @media (prefers-color-scheme: dark) {
              :root { --line: #3a3d43; --soft: #212328; --bar: #7ba0ee; --warn: #3a3115; --edge: #c79a1b; }
              body { background: #16181c; color: #e6e7ea; }
            }
            body { font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 70rem; padding: 1rem; }
            h1 { font-size: 1.5rem; margin: .2rem 0 1rem; } h2 { font-size: 1.1rem; margin: 1.8rem 0 .6rem; }
            .tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .6rem; }
            .tile { background: var(--soft); border-radius: .5rem; padding: .6rem .8rem; }
            .tile b { display: block; font-size: 1.25rem; }
            .warnings { list-style: none; padding: 0; margin: 0; }
            .warnings li { background: var(--warn); border-left: .3rem solid var(--edge); margin: .4rem 0; padding: .5rem .7rem;
              overflow-wrap: anywhere; }
            .scroll { overflow-x: auto; } table { border-collapse: collapse; min-width: 20rem; width: 100%; } td { padding: .15rem .4rem; vertical-align: middle; }
            td:first-child { white-space: nowrap; width: 8rem; } td:last-child { width: 3rem; text-align: right; }
            .bar { background: var(--bar); border-radius: .2rem; height: .9rem; min-width: 2px; }
            .grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: .8rem; }
            .card { border: 1px solid var(--line); border-radius: .5rem; overflow: hidden; font-size: .82rem; }
            .card img { display: block; width: 100%; height: 11rem; object-fit: contain; background: var(--soft); }
            .card div { padding: .45rem .6rem .6rem; overflow-wrap: anywhere; }
            .card b { display: block; } .card p { margin: .3rem 0 0; } .card span { opacity: .75; }
            """;

    private final DataReport report;
    private final Path folder;
    private final Reports.Masks masks;

    /** @param folder of the prepared pictures */
    ReportPage(DataReport report, Path folder, Reports.Masks masks) {
        this.report = report;
        this.folder = folder;
        this.masks = masks;
    }

    String html() {
        List<ReportedPicture> pictures = report.pictures();
        StringBuilder cards = new StringBuilder();
        for (int i = 0; i < pictures.size(); i++) {
            cards.append(card(pictures.get(i), masks.of(i)));
        }
        // Some eight bars at most, whatever the model's size.
        int longest = pictures.stream()
                .mapToInt(p -> Math.max(p.width(), p.height()))
                .max()
                .orElse(1);
        int step = Math.max(64, Integer.highestOneBit(longest / 8));
        String warnings = Stream.concat(report.notes().stream(), report.warnings().stream())
                .map(w -> "<li>" + withFields(w) + "</li>")
                .collect(Collectors.joining());
        warnings = warnings.isEmpty()
                ? "<p>Nothing to act on was found.</p>"
                : "<ul class=\"warnings\">" + warnings + "</ul>";
        return """
                <!DOCTYPE html>
                <html lang="en">
                <head>
                <meta charset="utf-8">
                <meta name="viewport" content="width=device-width, initial-scale=1">
                <title>Data set</title>
                <style>
                %s</style>
                </head>
                <body>
                <h1>Data set</h1>
                <div class="tiles">%s</div>
                <h2>To act on</h2>
                %s
                %s<h2>Prepared sizes</h2>
                %s
                <h2>Aspect ratios as they came</h2>
                %s
                <h2>Longer sides as they came</h2>
                %s
                <h2>Captions in tokens</h2>
                %s
                <h2>Pictures</h2>%s
                <div class="grid">%s</div>
                </body>
                </html>
                """.formatted(
                STYLE,
                tiles(),
                warnings,
                concepts() + masks(),
                bars(report.buckets()),
                bars(counted(pictures, ReportPage::aspect)),
                bars(counted(pictures, p -> range(Math.max(p.width(), p.height()), step) + " px")),
                bars(counted(pictures, p -> range(p.tokens(), 15))),
                pictures.stream().allMatch(p -> p.masked() == null) ? "" : "\n<p>What masks leave out is darkened.</p>",
                cards);
    }

    /** What is known of the concepts, where a language model was asked or captions are rewritten. */
    private String concepts() {
        StringBuilder items = new StringBuilder();
        for (ReportedConcept concept : report.concepts()) {
            List<String> facts = new ArrayList<>();
            add(facts, "trigger", concept.trigger());
            add(facts, "called in captions", concept.noun());
            add(facts, "description", concept.description());
            add(facts, "proposed trigger", concept.proposedTrigger());
            items.append("<li><b>%s</b> (%s) %s</li>"
                    .formatted(Page.escape(concept.name()), concept.mode(), Page.escape(String.join("; ", facts))));
        }
        return items.isEmpty() ? "" : "<h2>Concepts</h2>\n<ul>%s</ul>\n".formatted(items);
    }

    /** What masks are to find, and what a language model has cost. */
    private String masks() {
        StringBuilder items = new StringBuilder();
        for (DataReport.ReportedMasks masks : report.masks()) {
            String by =
                    switch (masks.from()) {
                        case "User" -> " (preparation.mask.prompts)";
                        case "Mode" -> " (concept.mode)";
                        case "ClassName" -> " (concept.className)";
                        case "LanguageModel" -> " (the language model)";
                        default -> "";
                    };
            items.append("<li><b>%s</b> %s%s</li>"
                    .formatted(
                            Page.escape(masks.dataset()),
                            masks.prompts().isEmpty()
                                    ? "pictures count as a whole"
                                    : Page.escape(String.join(", ", masks.prompts())),
                            by));
        }
        String cost = report.language() == null
                ? ""
                : "<p>%s.</p>".formatted(Page.escape(report.language().sentence()));
        return (items.isEmpty() ? "" : "<h2>Masks find</h2>\n<ul>%s</ul>".formatted(items)) + cost + "\n";
    }

    private static void add(List<String> facts, String name, @Nullable String value) {
        if (value != null) {
            facts.add(name + ": " + value);
        }
    }

    private String tiles() {
        List<ReportedPicture> all = report.pictures();
        double lost = all.stream().mapToDouble(ReportedPicture::lost).average().orElse(0);
        double tokens = all.stream().mapToInt(ReportedPicture::tokens).average().orElse(0);
        StringBuilder tiles = new StringBuilder();
        tiles.append(tile(Integer.toString(all.size()), "prepared pictures"));
        tiles.append(tile(Integer.toString(report.buckets().size()), "sizes"));
        tiles.append(tile("%.0f %%".formatted(100 * lost), "lost to crops on average"));
        tiles.append(tile("%.0f".formatted(tokens), "tokens in a caption on average"));
        tiles.append(tile(Integer.toString(report.alike().size()), "groups that look alike"));
        all.stream()
                .filter(ReportedPicture::masks)
                .mapToDouble(p -> Objects.requireNonNull(p.masked()))
                .average()
                .ifPresent(m -> tiles.append(tile("%.0f %%".formatted(100 * m), "covered by masks on average")));
        return tiles.toString();
    }

    /** A sentence with the names of fields, which stand between backticks, set apart. */
    private static String withFields(String sentence) {
        return Page.escape(sentence).replaceAll("`([^`]+)`", "<code>$1</code>");
    }

    private static String tile(String value, String what) {
        return "<div class=\"tile\"><b>%s</b>%s</div>".formatted(value, what);
    }

    private static String aspect(ReportedPicture picture) {
        double aspect = picture.aspect();
        String kind = aspect > 1.05 ? "wide" : aspect < 0.95 ? "tall" : "square";
        return String.format(Locale.ROOT, "%.1f %s", aspect, kind);
    }

    /** The range of {@code step} numbers that a number is in. */
    private static String range(int number, int step) {
        int from = number / step * step;
        return "%d to %d".formatted(from, from + step - 1);
    }

    private static Map<String, Integer> counted(List<ReportedPicture> pictures, Function<ReportedPicture, String> of) {
        return pictures.stream()
                .collect(Collectors.toMap(of, p -> 1, Integer::sum, () -> new TreeMap<>(ReportPage::byNumber)));
    }

    private static int byNumber(String a, String b) {
        int first = Double.compare(number(a), number(b));
        return first != 0 ? first : a.compareTo(b);
    }

    private static double number(String text) {
        return Double.parseDouble(text.replaceFirst("[^0-9.].*", ""));
    }

    private static String bars(Map<String, Integer> counts) {
        int most = counts.values().stream().mapToInt(i -> i).max().orElse(1);
        return counts.entrySet().stream()
                .map(e -> "<tr><td>%s</td><td><div class=\"bar\" style=\"width:%d%%\"></div></td><td>%d</td></tr>"
                        .formatted(Page.escape(e.getKey()), Math.max(1, 100 * e.getValue() / most), e.getValue()))
                .collect(Collectors.joining("", "<div class=\"scroll\"><table>", "</table></div>"));
    }

    private String card(ReportedPicture p, @Nullable Mat mask) {
        String facts =
                "%d x %d, trained on at %d x %d%s; crop loses %.0f %%; sharpness %.0f, brightness %.0f %%%s; %d tokens"
                        .formatted(
                                p.width(),
                                p.height(),
                                p.preparedWidth(),
                                p.preparedHeight(),
                                p.scale() > 1 ? String.format(Locale.ROOT, ", enlarged %.1f times", p.scale()) : "",
                                100 * p.lost(),
                                p.measures().sharpness(),
                                100 * p.measures().brightness(),
                                p.masked() == null ? "" : "; mask covers %.0f %%".formatted(100 * p.masked()),
                                p.tokens());
        String image;
        try {
            Picture picture = Picture.read(folder.resolve(p.file()));
            image = Page.image((mask == null ? picture : dimmed(picture, mask)).jpeg(THUMBNAIL), "");
        } finally {
            if (mask != null) {
                mask.release();
            }
        }
        String original = p.original() == null ? "" : "<p><s>%s</s></p>".formatted(Page.escape(p.original()));
        String name = Page.escape(p.name()) + (p.variation() == null ? "" : " (" + made(p.variation()) + ")");
        return "<div class=\"card\">%s<div><b>%s</b><span>%s</span><p>%s</p>%s</div></div>"
                .formatted(image, name, facts, Page.escape(p.caption()), original);
    }

    private static String made(Variation variation) {
        return switch (variation.kind()) {
            case Resolution -> "another size";
            case Flip -> "mirrored";
            case Augmented -> "altered";
            case Outpainted -> "made smaller";
        };
    }

    /** With what counts less made darker. */
    private static Picture dimmed(Picture picture, Mat mask) {
        Mat shown = picture.toMat();
        Mat scaled = new Mat();
        Imgproc.resize(mask, scaled, shown.size(), 0, 0, Imgproc.INTER_LINEAR);
        scaled.convertTo(scaled, -1, 1 - DARKEST, 255 * DARKEST);
        Imgproc.cvtColor(scaled, scaled, Imgproc.COLOR_GRAY2BGR);
        Core.multiply(shown, scaled, shown, 1 / 255.0);
        scaled.release();
        return Picture.ofBgr(shown);
    }
}
