package training.lora.trainer.prepare.place;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** Says what size pictures are brought to, at one resolution. */
sealed interface Frames {
    /** That of a picture of some size. */
    Frame of(int width, int height);

    /** One for all. */
    record One(Frame frame) implements Frames {
        /**
         * That of the mean ratio of width to height: {@code resolution} squared in area, to the nearest multiples of 64 (Eden's
         * trainer).
         */
        static One average(int resolution, double ratio) {
            return new One(new Frame(nearest(resolution * Math.sqrt(ratio)), nearest(resolution / Math.sqrt(ratio))));
        }

        private static int nearest(double side) {
            return (int) Math.max(1, Math.round(side / Frame.UNIT)) * Frame.UNIT;
        }

        @Override
        public Frame of(int width, int height) {
            return frame;
        }
    }

    /**
     * The nearest in shape of several: for each width the greatest height whose area is no larger than the resolution's square,
     * as kohya's trainer and Stable Diffusion XL have them. Where there are few steps of 64 in a side, shapes of less area are
     * among them: else a picture of 2:1 would be 192 x 64 at 128 and lose a third, where 128 x 64 shows all of it.
     *
     * @param enlarging whether small pictures are enlarged to them; else each side is shortened to what the picture has
     */
    record Buckets(List<Frame> all, boolean enlarging) implements Frames {
        /** Resolutions below have few shapes. */
        private static final int COARSE = 4 * Frame.UNIT;

        /** What an e-th of the area counts beside a shape that is an e-th off. */
        private static final double AREA = 0.25;

        static Buckets of(int resolution, int minimumSide, int maximumSide, boolean enlarging) {
            List<Frame> all = new ArrayList<>();
            for (int width = minimumSide; width <= maximumSide; width += Frame.UNIT) {
                int most = resolution * resolution / width / Frame.UNIT * Frame.UNIT;
                int height = Math.min(maximumSide, most);
                if (height >= minimumSide) {
                    add(new Frame(width, height), all);
                    add(new Frame(height, width), all);
                }
            }
            if (resolution < COARSE) {
                addSmaller(resolution * resolution, minimumSide, maximumSide, all);
            }
            all.sort(Comparator.comparingDouble(Frame::ratio));
            return new Buckets(List.copyOf(all), enlarging);
        }

        /** Down to half of the area. */
        private static void addSmaller(int area, int minimumSide, int maximumSide, List<Frame> all) {
            for (int width = minimumSide; width <= maximumSide; width += Frame.UNIT) {
                for (int height = minimumSide; height <= maximumSide; height += Frame.UNIT) {
                    if (width * height <= area && 2 * width * height >= area) {
                        add(new Frame(width, height), all);
                    }
                }
            }
        }

        private static void add(Frame frame, List<Frame> all) {
            if (!all.contains(frame)) {
                all.add(frame);
            }
        }

        @Override
        public Frame of(int width, int height) {
            double ratio = (double) width / height;
            // Of two that are as near, the larger loses no more and shows more.
            Frame nearest = all.stream()
                    .min(Comparator.<Frame>comparingDouble(f -> Math.abs(Math.log(f.ratio() / ratio)) - worth(f))
                            .thenComparingInt(f -> -f.area()))
                    .orElseThrow();
            return enlarging ? nearest : new Frame(within(nearest.width(), width), within(nearest.height(), height));
        }

        /** Of what it shows, where shapes of several areas are there to choose from. */
        private double worth(Frame frame) {
            boolean coarse = all.stream().mapToInt(Frame::area).max().orElse(0) < COARSE * COARSE;
            return coarse ? AREA * Math.log(frame.area()) : 0;
        }

        private static int within(int side, int pictureSide) {
            return Math.max(Frame.UNIT, Math.min(side, pictureSide / Frame.UNIT * Frame.UNIT));
        }
    }
}
