//! stub
export {};
