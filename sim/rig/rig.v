// What surrounds a design in a fast simulation: beats come from files and go to files, so that
// the simulator asks Python for nothing while frames move. Not for synthesis.

// Plays the beats of a file into an AXI4-Stream port: one line a beat, "tlast tkeep tuser tdata",
// all hexadecimal. Begins at start, ends with the file or with a reset.
// gap: probability, in 1/256, of a clock without tvalid before a beat.
// LOG takes a line for each frame: the clocks in which its first and last beat were taken.
// idle: every beat of the file has been taken.
module espnic_player #(
    parameter WIDTH = 128,
    parameter USER = 1,
    parameter FILE = "",
    parameter LOG = ""
) (
    input clk,
    input rst,
    input start,
    input flush,
    input [31:0] clock,
    input [7:0] gap,
    input [31:0] seed,
    output reg [WIDTH-1:0] tdata,
    output reg [WIDTH/8-1:0] tkeep,
    output reg [USER-1:0] tuser,
    output reg tlast,
    output reg tvalid,
    input tready,
    output idle
);
    integer file, log, fields;
    reg [31:0] noise, first_clock;
    reg in_frame;
    reg [WIDTH-1:0] data;
    reg [WIDTH/8-1:0] keep;
    reg [USER-1:0] user;
    reg last;

    assign idle = file == 0 && !tvalid;

    initial begin
        file = 0;
        log = 0;
    end

    always @(posedge clk) begin
        noise <= noise * 32'd1664525 + 32'd1013904223;
        if (tvalid && tready) begin
            if (!in_frame)
                first_clock <= clock;
            if (tlast && log != 0)
                $fwrite(log, "%0d %0d\n", in_frame ? first_clock : clock, clock);
            in_frame <= !tlast;
        end
        if (rst) begin
            if (file != 0)
                $fclose(file);
            if (log != 0)
                $fclose(log);
            file = 0;
            log = 0;
            tvalid <= 0;
            in_frame <= 0;
        end else if (start) begin
            if (file != 0)
                $fclose(file);
            if (log != 0)
                $fclose(log);
            file = $fopen(FILE, "r");
            log = $fopen(LOG, "w");
            noise <= seed;
            tvalid <= 0;
            in_frame <= 0;
        end else if (file != 0 && (!tvalid || tready)) begin
            if (noise[31:24] < gap) begin
                tvalid <= 0;
            end else begin
                fields = $fscanf(file, "%h %h %h %h\n", last, keep, user, data);
                tlast <= last;
                tkeep <= keep;
                tuser <= user;
                tdata <= data;
                tvalid <= fields == 4;
                if (fields != 4) begin
                    $fclose(file);
                    file = 0;
                end
            end
        end
        if (flush && log != 0)
            $fflush(log);
    end
endmodule

// Records the beats of an AXI4-Stream port: one line a beat, "clock tlast tkeep tuser tdata", the
// clock decimal, the rest hexadecimal. A line "clock" alone says that a beat was withdrawn or has
// changed before it was taken.
// flush completes the file, and so does a reset, which ends the record.
// stall: probability, in 1/256, of a clock without tready. frames counts those that have come,
// gaps the clocks without tvalid behind a beat of a frame that was not its last.
module espnic_recorder #(
    parameter WIDTH = 128,
    parameter USER = 1,
    parameter FILE = ""
) (
    input clk,
    input rst,
    input start,
    input flush,
    input [31:0] clock,
    input [7:0] stall,
    input [31:0] seed,
    input [WIDTH-1:0] tdata,
    input [WIDTH/8-1:0] tkeep,
    input [USER-1:0] tuser,
    input tlast,
    input tvalid,
    output reg tready,
    output reg [31:0] frames,
    output reg [31:0] gaps
);
    integer file;
    reg [31:0] noise;
    reg in_frame, waiting;
    reg [WIDTH+WIDTH/8+USER:0] waiting_beat;
    wire [WIDTH+WIDTH/8+USER:0] beat = {tlast, tkeep, tdata, tuser};

    initial file = 0;

    always @(posedge clk) begin
        noise <= noise * 32'd1664525 + 32'd1013904223;
        if (rst) begin
            if (file != 0)
                $fclose(file);
            file = 0;
            tready <= 0;
            in_frame <= 0;
            waiting <= 0;
        end else if (start) begin
            if (file != 0)
                $fclose(file);
            file = $fopen(FILE, "w");
            noise <= seed;
            frames <= 0;
            gaps <= 0;
            tready <= 0;
        end else if (file != 0) begin
            tready <= noise[31:24] >= stall;
            gaps <= gaps + (in_frame && !tvalid);
            if (waiting && (!tvalid || beat !== waiting_beat))
                $fwrite(file, "%0d\n", clock);
            waiting <= tvalid && !tready;
            waiting_beat <= beat;
            if (tvalid && tready) begin
                $fwrite(file, "%0d %h %h %h %h\n", clock, tlast, tkeep, tuser, tdata);
                frames <= frames + tlast;
                in_frame <= !tlast;
            end
            if (flush)
                $fflush(file);
        end
    end
endmodule

// Records what passes a trace point: one line a payload, hexadecimal. flush completes the file,
// and so does a reset, which ends the record.
module espnic_tap #(
    parameter WIDTH = 1,
    parameter FILE = ""
) (
    input clk,
    input rst,
    input start,
    input flush,
    input valid,
    input [WIDTH-1:0] payload
);
    integer file;

    initial file = 0;

    always @(posedge clk)
        if (rst) begin
            if (file != 0)
                $fclose(file);
            file = 0;
        end else if (start) begin
            if (file != 0)
                $fclose(file);
            file = $fopen(FILE, "w");
        end else if (file != 0) begin
            if (valid)
                $fwrite(file, "%h\n", payload);
            if (flush)
                $fflush(file);
        end
endmodule

// Counts the frames judged, of several of one request the last, and those that leave.
module espnic_verdicts (
    input clk,
    input rst,
    input start,
    input valid,
    input last,
    input leaves,
    output reg [31:0] judged,
    output reg [31:0] leaving
);
    always @(posedge clk)
        if (rst || start) begin
            judged <= 0;
            leaving <= 0;
        end else if (valid) begin
            judged <= judged + last;
            leaving <= leaving + leaves;
        end
endmodule

// Tells when a run is over: it is complete, or stuck since nothing has moved for LIMIT clocks.
module espnic_watch #(
    parameter LIMIT = 20000
) (
    input clk,
    input rst,
    input start,
    input moved,
    input complete,
    output reg flush,
    output reg done,
    output reg stuck,
    output reg [31:0] clock
);
    reg running;
    reg [31:0] still;

    always @(posedge clk) begin
        clock <= clock + 1;
        still <= moved ? 0 : still + 1;
        flush <= 0;
        done <= flush;
        if (rst) begin
            clock <= 0;
            running <= 0;
        end else if (start) begin
            still <= 0;
            running <= 1;
        end else if (running && (complete || still == LIMIT)) begin
            running <= 0;
            flush <= 1;
            stuck <= !complete;
        end
    end
endmodule

// Takes the answers to SA commands and counts them, and apart those with a result that is not 0.
module espnic_answers (
    input clk,
    input rst,
    input start,
    input valid,
    output ready,
    input [2:0] result,
    output reg [31:0] answers,
    output reg [31:0] refused
);
    assign ready = 1;

    always @(posedge clk)
        if (rst || start) begin
            answers <= 0;
            refused <= 0;
        end else if (valid) begin
            answers <= answers + 1;
            refused <= refused + (result != 0);
        end
endmodule
