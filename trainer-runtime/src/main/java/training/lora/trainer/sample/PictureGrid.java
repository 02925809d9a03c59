package training.lora.trainer.sample;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.Point;
import org.opencv.core.Rect;
import org.opencv.core.Scalar;
import org.opencv.core.Size;
import org.opencv.imgproc.Imgproc;

/**
 * A labelled table of pictures as a PNG, with strips of others above it. Its text is OpenCV's vector letters, which need no font on the machine; they
 * know ASCII only, so that other letters are written without their accents or as {@code ?}.
 */
public final class PictureGrid {
    private static final int MIN_CELL = 192;

    /** Of all pictures together, which a viewer can still open. */
    private static final double MOST_PIXELS = 64e6;

    private static final int GAP = 8;
    private static final int HEADER = 34;
    private static final int CAPTION = 26;
    private static final int FONT = Imgproc.FONT_HERSHEY_SIMPLEX;
    private static final double LETTERS = 0.5;
    private static final Scalar BACKGROUND = new Scalar(255, 255, 255);
    private static final Scalar INK = new Scalar(40, 40, 40);
    /** Blue, green, red. */
    private static final Scalar MARK = new Scalar(60, 160, 40);

    private PictureGrid() {}

    /**
     * A column of the table.
     *
     * @param label its heading
     * @param pictures files of pictures of one size, one a row; each is read when its turn comes
     * @param marked whether it is framed, for the best
     */
    public record Column(String label, List<Path> pictures, boolean marked) {
        /**
         * What was drawn at a step.
         *
         * @param step 0 is the base model
         * @param best whether it is the chosen one
         */
        public static Column of(int step, List<Path> pictures, boolean best) {
            String label = step == 0 ? "base model" : "step " + step + (best ? " (best)" : "");
            return new Column(label, pictures, best);
        }
    }

    /**
     * A row of picture files over the whole width, half as large as the table's.
     *
     * @param label written above it
     * @param pictures those to choose from: as many are shown as there is room for, spread evenly, the first among them
     */
    public record Strip(String label, List<Path> pictures) {}

    /**
     * Writes {@code columns} side by side.
     *
     * @param strips stand above the columns, one below the other
     * @param rows are written above the columns' rows
     */
    public static void write(Path file, List<Strip> strips, List<String> rows, List<Column> columns)
            throws IOException {
        Picture first = Picture.read(columns.get(0).pictures().get(0));
        double scale = scale(first, columns.size() * (long) rows.size());
        int width = (int) Math.round(first.width() * scale);
        int height = (int) Math.round(first.height() * scale);
        int rowHeight = CAPTION + height + GAP;
        Size small = new Size((width - GAP) / 2, (height - GAP) / 2);
        int stripHeight = CAPTION + (int) small.height + GAP;
        int header = strips.size() * stripHeight + HEADER;
        Mat sheet = new Mat(
                header + rows.size() * rowHeight, GAP + columns.size() * (width + GAP), CvType.CV_8UC3, BACKGROUND);
        for (int s = 0; s < strips.size(); s++) {
            draw(sheet, strips.get(s), s * stripHeight, small, 2 * columns.size());
        }
        for (int c = 0; c < columns.size(); c++) {
            Column column = columns.get(c);
            int left = GAP + c * (width + GAP);
            text(
                    sheet,
                    column.label(),
                    left,
                    header - 10,
                    width,
                    column.marked() ? MARK : INK,
                    column.marked() ? 2 : 1);
            for (int r = 0; r < rows.size(); r++) {
                int top = header + r * rowHeight + CAPTION;
                paste(sheet, Picture.read(column.pictures().get(r)), new Rect(left, top, width, height));
                if (column.marked()) {
                    Imgproc.rectangle(
                            sheet,
                            new Point(left - 3, top - 3),
                            new Point(left + width + 2, top + height + 2),
                            MARK,
                            2);
                }
            }
        }
        for (int r = 0; r < rows.size(); r++) {
            text(sheet, rows.get(r), GAP, header + r * rowHeight + 18, sheet.cols() - 2 * GAP, INK, 1);
        }
        Picture.writePng(sheet, file);
        sheet.release();
    }

    private static void draw(Mat sheet, Strip strip, int top, Size size, int room) {
        text(sheet, strip.label(), GAP, top + 18, sheet.cols() - 2 * GAP, INK, 1);
        int left = GAP;
        for (Path file : spread(strip.pictures(), room)) {
            paste(sheet, Picture.read(file), new Rect(new Point(left, top + CAPTION), size));
            left += (int) size.width + GAP;
        }
    }

    /** At most {@code count} of {@code all}, evenly spread, from the first on. */
    static <T> List<T> spread(List<T> all, int count) {
        int shown = Math.min(count, all.size());
        return IntStream.range(0, shown)
                .mapToObj(i -> all.get((int) ((long) i * all.size() / shown)))
                .toList();
    }

    /** Small pictures are enlarged by a whole number, and many large ones made smaller. */
    private static double scale(Picture picture, long cells) {
        int whole = Math.max(1, (MIN_CELL + picture.width() - 1) / picture.width());
        double most = Math.sqrt(MOST_PIXELS / ((double) cells * picture.width() * picture.height()));
        return Math.min(whole, most);
    }

    private static void paste(Mat sheet, Picture picture, Rect place) {
        Mat mat = picture.toMat();
        Mat scaled = new Mat();
        Imgproc.resize(
                mat,
                scaled,
                new Size(place.width, place.height),
                0,
                0,
                place.width < mat.width() ? Imgproc.INTER_AREA : Imgproc.INTER_CUBIC);
        Mat cell = sheet.submat(place);
        scaled.copyTo(cell);
        List.of(mat, scaled, cell).forEach(Mat::release);
    }

    /** Writes {@code text} from {@code left} on the line {@code base}, shortened to {@code width} pixels. */
    private static void text(Mat sheet, String text, int left, int base, int width, Scalar colour, int thickness) {
        String line = ascii(text);
        String shown = line;
        for (int end = line.length(); tooWide(shown, thickness, width) && end > 0; end--) {
            shown = line.substring(0, end) + "...";
        }
        Imgproc.putText(sheet, shown, new Point(left, base), FONT, LETTERS, colour, thickness, Imgproc.LINE_AA);
    }

    private static boolean tooWide(String text, int thickness, int width) {
        return Imgproc.getTextSize(text, FONT, LETTERS, thickness, new int[1]).width > width;
    }

    /** The text in letters that OpenCV can draw. */
    static String ascii(String text) {
        return java.text.Normalizer.normalize(text, java.text.Normalizer.Form.NFKD)
                .replaceAll("\\p{M}", "")
                .replaceAll("[^\\x20-\\x7e]", "?");
    }
}
