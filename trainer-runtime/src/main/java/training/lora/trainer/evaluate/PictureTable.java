package training.lora.trainer.evaluate;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.page.Page;
import training.lora.trainer.sample.Picture;

/** Pictures of prompts, a row each, by steps, a column each, as a table of a page. */
final class PictureTable {
    /** The longer side of a picture in it, in pixels. */
    static final int SIDE = 192;

    private PictureTable() {}

    /** What a cell has. */
    @FunctionalInterface
    interface Cells {
        Cell of(int step, int prompt) throws IOException;
    }

    /**
     * A cell.
     *
     * @param picture its file
     * @param note what stands below it; null if nothing
     */
    record Cell(Path picture, @Nullable String note) {}

    /**
     * The table.
     *
     * @param rows what begins each row, as HTML
     * @param best the step that is marked; 0 if none is
     */
    static String html(List<String> rows, List<Integer> steps, int best, Cells cells) throws IOException {
        StringBuilder html = new StringBuilder("<div class=\"scroll\"><table><tr><th class=\"prompt\">prompt</th>");
        for (int step : steps) {
            html.append(step > 0 && step == best ? "<th class=\"mark\">" : "<th>")
                    .append(name(step))
                    .append("</th>");
        }
        html.append("</tr>\n");
        for (int i = 0; i < rows.size(); i++) {
            html.append("<tr><td class=\"prompt\">").append(rows.get(i)).append("</td>");
            for (int step : steps) {
                Cell cell = cells.of(step, i);
                html.append("<td class=\"cell\">")
                        .append(Page.image(Picture.read(cell.picture()).jpeg(SIDE), "step " + step));
                if (cell.note() != null) {
                    html.append("<small>").append(Page.escape(cell.note())).append("</small>");
                }
                html.append("</td>");
            }
            html.append("</tr>\n");
        }
        return html.append("</table></div>\n").toString();
    }

    private static String name(int step) {
        return step == 0 ? "base model" : "step " + step;
    }
}
