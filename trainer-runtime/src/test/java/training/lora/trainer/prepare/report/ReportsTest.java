package training.lora.trainer.prepare.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertTimeout;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.opencv.core.Core;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.MatOfByte;
import org.opencv.core.Scalar;
import org.opencv.core.Size;
import org.opencv.imgcodecs.Imgcodecs;
import org.opencv.imgproc.Imgproc;
import training.lora.api.Json;
import training.lora.api.MaskSource;
import training.lora.trainer.Goldens;
import training.lora.trainer.OpenCvLibrary;
import training.lora.trainer.dataset.Variation;
import training.lora.trainer.prepare.report.DataReport.ReportedPicture;

class ReportsTest {
    static {
        OpenCvLibrary.load();
    }

    @TempDir
    Path folder;

    private final List<ReportedPicture> pictures = new ArrayList<>();

    private static Mat bundled(String name) {
        return Imgcodecs.imread(Goldens.BUNDLED
                .resolve("fluent-style/" + name + ".png")
                .toAbsolutePath()
                .normalize()
                .toString());
    }

    private DataReportReportedPictureBuilder picture(String name, Mat pixels, String caption) {
        Imgcodecs.imwrite(folder.resolve(name).toString(), pixels);
        return DataReportReportedPictureBuilder.builder(DataReportReportedPictureBuilder.builder()
                .name("main/" + name)
                .role("Train")
                .file(name)
                .width(640)
                .height(640)
                .preparedWidth(512)
                .preparedHeight(512)
                .scale(0.8)
                .lost(0)
                .measures(PictureMeasures.of(pixels))
                .caption(caption)
                .tokens(4)
                .build());
    }

    @Test
    void blurAndExposureAreMeasured() {
        Mat sharp = bundled("crab");
        Mat blurred = new Mat();
        Imgproc.GaussianBlur(sharp, blurred, new Size(0, 0), 6);
        Mat dark = new Mat();
        Core.multiply(sharp, new Scalar(0.05, 0.05, 0.05), dark);

        assertThat(PictureMeasures.of(blurred).sharpness())
                .isLessThan(PictureMeasures.of(sharp).sharpness() / 20);
        assertThat(PictureMeasures.of(dark).brightness()).isLessThan(0.06);
        assertThat(PictureMeasures.of(new Mat(40, 30, sharp.type(), new Scalar(255, 255, 255))))
                .satisfies(m -> assertThat(m.bright()).isEqualTo(1))
                .satisfies(m -> assertThat(m.sharpness()).isZero());
    }

    @Test
    void copiesAreAlikeAndOtherPicturesAreNot() {
        Mat small = new Mat();
        Imgproc.resize(bundled("crab"), small, new Size(100, 100), 0, 0, Imgproc.INTER_AREA);
        pictures.add(picture("crab.png", bundled("crab"), "a crab").build());
        pictures.add(picture("pear.png", bundled("pear"), "a pear").build());
        pictures.add(picture("small.png", small, "a crab again").build());

        assertThat(Reports.of(pictures, 75, MaskSource.Segment).alike())
                .containsExactly(List.of("main/crab.png", "main/small.png"));
    }

    @Test
    void oneFormInOtherColoursIsNoCopyAndCopiesOfOnePictureAreAGroup() throws IOException {
        Mat red = bundled("crab");
        Mat blue = new Mat();
        Imgproc.cvtColor(red, blue, Imgproc.COLOR_BGR2RGB);
        MatOfByte jpeg = new MatOfByte();
        Imgcodecs.imencode(".jpg", red, jpeg);
        Mat small = new Mat();
        Imgproc.resize(red, small, new Size(90, 90), 0, 0, Imgproc.INTER_AREA);
        pictures.add(picture("red.png", red, "a crab").build());
        pictures.add(picture("blue.png", blue, "a blue crab").build());
        pictures.add(picture("jpeg.png", Imgcodecs.imdecode(jpeg, Imgcodecs.IMREAD_COLOR), "a crab too")
                .build());
        pictures.add(picture("small.png", small, "another crab").build());

        DataReport report = Reports.of(pictures, 75, MaskSource.Segment);

        assertThat(report.alike()).containsExactly(List.of("main/jpeg.png", "main/red.png", "main/small.png"));
        assertThat(report.warnings())
                .contains("A group of pictures looks alike, and counts more than others; keep one of each group: "
                        + "main/jpeg.png, main/red.png, main/small.png");
    }

    @Test
    void aThousandPicturesOfOneThingAreOneGroupAtOnce() {
        ReportedPicture crab = picture("crab.png", bundled("crab"), "a crab").build();
        for (int i = 0; i < 1000; i++) {
            pictures.add(DataReportReportedPictureBuilder.builder(crab)
                    .name("main/" + i)
                    .build());
        }

        List<List<String>> alike = assertTimeout(Duration.ofSeconds(20), () -> Reports.of(pictures, 75, MaskSource.None)
                .alike());

        assertThat(alike).singleElement().satisfies(group -> assertThat(group).hasSize(1000));
    }

    @Test
    void reportOfAnEarlierReleaseIsRead() throws IOException {
        pictures.add(picture("a.png", bundled("crab"), "a crab").build());
        String now = Json.MAPPER.writeValueAsString(Reports.of(pictures, 75, MaskSource.None));
        String before = now.replaceFirst(",\"colours\":\"[0-9a-f]*\"", "")
                .replace("\"notes\":[],", "")
                .replace("\"masks\":[],", "");

        DataReport read = Json.MAPPER.readValue(before, DataReport.class);

        assertThat(before).doesNotContain("colours", "notes", "\"masks\"");
        assertThat(read.notes()).isEmpty();
        assertThat(read.pictures().get(0).measures().alike(pictures.get(0).measures()))
                .isTrue();
    }

    @Test
    void warningsNameWhatToActOn() {
        Mat crab = bundled("crab");
        Mat pear = bundled("pear");
        pictures.add(picture("a.png", crab, "").scale(2).build());
        pictures.add(picture("b.png", pear, "a pear")
                .lost(0.5)
                .tokens(80)
                .masked(0.001)
                .build());

        List<String> warnings = Reports.of(pictures, 75, MaskSource.Segment).warnings();

        assertThat(warnings)
                .anyMatch(w ->
                        w.startsWith("1 of 2 pictures are smaller than what is trained on") && w.endsWith("main/a.png"))
                .anyMatch(w -> w.startsWith("1 of 2 pictures lose more than 30 %") && w.endsWith("main/b.png"))
                .anyMatch(w -> w.startsWith("1 of 2 pictures have an empty caption") && w.endsWith("main/a.png"))
                .anyMatch(w -> w.contains("more than 75 tokens") && w.endsWith("main/b.png"))
                .anyMatch(w -> w.contains("leaves less than 2 %") && w.endsWith("main/b.png"));
        assertThat(Reports.of(List.of(picture("c.png", crab, "a crab").build()), 75, MaskSource.None)
                        .warnings())
                .noneMatch(w -> w.contains("caption") || w.contains("crop"));
    }

    @Test
    void pageShowsWhatMasksLeaveOutAsDark() throws IOException {
        Mat white = new Mat(128, 128, CvType.CV_8UC3, new Scalar(255, 255, 255));
        pictures.add(picture("a.png", white, "white").masked(0.5).build());
        Mat left = new Mat(16, 16, CvType.CV_8U, new Scalar(0));
        left.submat(0, 16, 0, 8).setTo(new Scalar(255));

        Reports.write(Reports.of(pictures, 75, MaskSource.Segment), folder, picture -> left.clone());

        String page = Files.readString(folder.resolve(Reports.PAGE));
        String image = page.replaceFirst("(?s).*src=\"data:image/jpeg;base64,([^\"]+).*", "$1");
        Mat shown = Imgcodecs.imdecode(new MatOfByte(Base64.getDecoder().decode(image)), Imgcodecs.IMREAD_COLOR);
        assertThat(shown.get(64, 20)[0]).isGreaterThan(245);
        assertThat(shown.get(64, 108)[0]).isBetween(40.0, 62.0);
        assertThat(page).contains("What masks leave out is darkened.");
    }

    @Test
    void pageSaysWhichPicturesWereLeftOutAndWhichAreCopies() throws IOException {
        pictures.add(picture("a.png", bundled("crab"), "a crab").build());
        pictures.add(picture("b.png", bundled("crab"), "a crab")
                .name("main/a.png")
                .variation(new Variation(Variation.Kind.Outpainted, 1, Map.of()))
                .masked(1.0)
                .build());
        DataReport report = DataReportBuilder.builder(Reports.of(pictures, 75, MaskSource.Segment))
                .notes(List.of("pictures that can't be read are left out: main/cut.jpg, set `preparation.strict`"))
                .build();

        Reports.write(report, folder, picture -> null);

        assertThat(Files.readString(folder.resolve(Reports.PAGE)))
                .contains(
                        "<li>pictures that can&#39;t be read are left out: main/cut.jpg, set <code>preparation.strict</code></li>")
                .contains("<b>main/a.png</b>", "<b>main/a.png (made smaller)</b>")
                .doesNotContain("covered by masks");
        assertThat(report.warnings()).noneMatch(w -> w.contains("mask"));
    }

    @Test
    void transparencyAndMaskFilesLeaveWhatTheirMakerMeant() {
        pictures.add(picture("a.png", bundled("crab"), "a crab").masked(1.0).build());

        assertThat(Reports.of(pictures, 75, MaskSource.Alpha).warnings()).noneMatch(w -> w.contains("mask"));
        assertThat(Reports.of(pictures, 75, MaskSource.Face).warnings())
                .anyMatch(w -> w.contains("a mask that leaves all of them") && !w.contains("prompts"));
        assertThat(Reports.of(pictures, 75, MaskSource.Segment).warnings())
                .anyMatch(
                        w -> w.contains("a mask that leaves all of them") && w.contains("`preparation.mask.prompts`"));
    }

    @Test
    void pageNeedsNothingElseAndTextsAreEscaped() throws IOException {
        pictures.add(picture("a.png", bundled("crab"), "<script>alert('x')</script> & \"more\"")
                .build());
        DataReport report = Reports.of(pictures, 75, MaskSource.Segment);

        Reports.write(report, folder, picture -> null);

        String page = Files.readString(folder.resolve(Reports.PAGE));
        assertThat(page)
                .contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;more&quot;")
                .contains("src=\"data:image/jpeg;base64,")
                .contains("prefers-color-scheme: dark")
                .doesNotContain("<script")
                .doesNotContain("http");
        assertThat(Json.MAPPER.readValue(folder.resolve(Reports.JSON).toFile(), DataReport.class))
                .isEqualTo(report);
        assertThat(report.buckets()).isEqualTo(Map.of("512x512", 1));
    }
}
