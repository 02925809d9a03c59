package training.lora.trainer.face;

import org.opencv.core.Point;

/** A face and the 468 points of its mesh, in pixels of the picture. */
public record Outline(Face face, Point[] points) {
    /** MediaPipe's FACEMESH_FACE_OVAL, from the brow clockwise. */
    private static final int[] OVAL = {
        10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149,
        150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109
    };

    private static final int[][] FIVE = {{33, 133}, {362, 263}, {1}, {61}, {291}};

    /** The oval around it. */
    public Point[] oval() {
        Point[] oval = new Point[OVAL.length];
        for (int i = 0; i < OVAL.length; i++) {
            oval[i] = points[OVAL[i]];
        }
        return oval;
    }

    /** The five points that networks of recognition align by: right eye, left eye, nose, right and left corner of the mouth. */
    Point[] five() {
        Point[] five = new Point[FIVE.length];
        for (int i = 0; i < FIVE.length; i++) {
            Point mean = new Point();
            for (int at : FIVE[i]) {
                mean.x += points[at].x / FIVE[i].length;
                mean.y += points[at].y / FIVE[i].length;
            }
            five[i] = mean;
        }
        return five;
    }
}
